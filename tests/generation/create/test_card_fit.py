"""Before submitting, the page says what a clip needs, what the site's card has, and how slow that makes it."""

import pytest
from django.urls import reverse
from django.utils import translation

from generation.catalogue import card_memory
from generation.catalogue.load import load_catalogue
from generation.queue import roster
from tests.factories import WorkerFactory
from tests.generation.create.pages import ADVANCED

pytestmark = pytest.mark.django_db

GIB = 2**30
CARDS = (4, 6, 8, 12, 16, 24)
SD15 = load_catalogue().models["stable-diffusion-v1-5"]
# 512x512 at 24 fps: 8 s are 65 base frames, 2 s are 17.
LARGE = ADVANCED | {
    "model": SD15.id,
    "motion_adapter": SD15.adapter,
    "aspect": "1:1",
    "short_side": "512",
    "fps": "24",
    "seconds": "8",
}


@pytest.fixture(autouse=True)
def _large_model_is_here(settings, tmp_path):
    """Put empty files where the model's would be: pages look at names only."""
    roster._capacity.cache_clear()
    settings.HOME = tmp_path
    catalogue = load_catalogue()
    for entry in (SD15, *(catalogue.with_needs(SD15.adapter)), *(catalogue.with_needs(SD15.interpolator)),
                  *(catalogue.with_needs(SD15.upscaler))):  # fmt: skip
        for name in entry.local_files():
            file = entry.path(tmp_path) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    yield
    roster._capacity.cache_clear()


def summary(client, **changes) -> str:
    response = client.post(f"{reverse('generation:create-summary')}?mode=advanced", LARGE | changes)
    assert response.context["summary"].request.model == SD15.id
    return response.content.decode()


def expected(gigabytes: int, frames: int) -> str:
    """Return what the page should say, by the table: "" (it fits), "slower" or "waits"."""
    needs = card_memory.needs(SD15, 512, 512, frames)
    fitting = [mode for mode, need in needs.items() if need <= gigabytes * GIB]
    return "waits" if not fitting else "" if fitting[0] == "full" else "slower"


@pytest.mark.parametrize(("seconds", "frames"), [("2", 17), ("8", 65)])
@pytest.mark.parametrize("gigabytes", CARDS)
def test_the_page_says_whether_a_clip_fits_on_the_card(signed_in, gigabytes, seconds, frames):
    WorkerFactory(device="A card", memory_total=gigabytes * GIB)
    text = summary(signed_in, seconds=seconds)
    said = "slower" if "of graphics memory" in text else "waits" if "will wait until a larger one joins" in text else ""
    assert said == expected(gigabytes, frames)
    if said == "slower":
        need = card_memory.needs(SD15, 512, 512, frames)["full"] / card_memory.GB
        assert f"Needs {need:.1f} GB of graphics memory" in text
        assert f"the largest card on this site has {gigabytes * GIB / card_memory.GB:.1f} GB: runs" in text


def test_the_cards_make_a_difference():
    """Or the test above would show nothing."""
    outcomes = [expected(gigabytes, 65) for gigabytes in CARDS]
    assert outcomes[0] != outcomes[-1] == ""
    assert "slower" in outcomes


def test_the_page_says_it_without_javascript_too_and_in_polish(signed_in, user):
    WorkerFactory(device="A card", memory_total=6 * GIB)
    user.language = "pl"
    user.save()
    with translation.override("pl"):
        response = signed_in.post(
            f"{reverse('generation:create-edit')}?mode=advanced", LARGE, headers={"accept-language": "pl"}
        )
    assert "pamięci karty graficznej" in response.content.decode()


def test_a_processor_is_no_card(signed_in):
    WorkerFactory(device=roster.CPU, memory_total=6 * GIB)
    assert "of graphics memory" not in summary(signed_in)


def test_the_largest_card_counts(signed_in):
    for gigabytes in (6, 24):
        WorkerFactory(device="A card", memory_total=gigabytes * GIB)
    assert ("of graphics memory" in summary(signed_in)) == (expected(24, 65) == "slower")
