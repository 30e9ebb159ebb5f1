"""Before submitting, the page says what a clip needs, what the site's card has, and how slow that makes it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from generation.catalogue import card_memory
from generation.catalogue.load import load_catalogue
from generation.domain.memory_classes import can_take
from generation.queue import roster
from tests.factories import WorkerFactory
from tests.generation.create.pages import ADVANCED

pytestmark = pytest.mark.django_db

GIB = 2**30
CARDS = (2, 4, 6, 8, 12, 24)
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
    if not can_take("generate", gigabytes * GIB, min(needs.values())):
        return "waits"
    return "" if needs["full"] <= gigabytes * GIB else "slower"


@pytest.mark.parametrize(("seconds", "frames"), [("2", 17), ("8", 65)])
@pytest.mark.parametrize("gigabytes", CARDS)
def test_the_page_says_whether_a_clip_fits_on_the_card(signed_in, gigabytes, seconds, frames):
    cards(gigabytes)
    text = summary(signed_in, seconds=seconds)
    said = "slower" if "of graphics memory" in text else "waits" if "will wait until a larger one joins" in text else ""
    assert said == expected(gigabytes, frames)
    if said == "slower":
        need = card_memory.needs(SD15, 512, 512, frames)["full"] / card_memory.GB
        assert f"Needs {need:.1f} GB of graphics memory" in text
        assert f"the largest card on this site offers {gigabytes * GIB / card_memory.GB:.1f} GB, so it runs" in text


def test_the_cards_make_a_difference():
    """Or the test above would show nothing."""
    outcomes = [expected(gigabytes, 65) for gigabytes in CARDS]
    assert outcomes[0] != outcomes[-1] == ""
    assert "slower" in outcomes


def test_four_gigabytes_are_enough_for_a_clip_of_two_seconds(signed_in):
    cards(4)
    assert "offers 4.3 GB, so it runs a little slower" in summary(signed_in, seconds="2")


def test_how_slow_a_clip_is_depends_on_whether_the_site_prefers_modes_that_change_it(signed_in, settings):
    """At 6 s, 4 GB do for weights in 8 bits, or for blocks that wait in main memory."""
    cards(4)
    needs = card_memory.needs(SD15, 512, 512, 49, inexact="early")
    assert needs["8-bit"] <= 4 * GIB < needs["split"]
    for inexact, words in (("last", "three quarters of the speed"), ("never", "three quarters"), ("early", "a little")):
        settings.INEXACT_MEMORY = inexact
        assert words in summary(signed_in, seconds="6")


def test_the_page_says_it_without_javascript_too_and_in_polish(signed_in, user):
    cards(8)
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


def cards(*sizes: int, **facts) -> None:
    """Register workers with cards of these sizes in GiB."""
    for size in sizes:
        WorkerFactory(device="A card", memory_total=size * GIB, **facts)


def test_a_site_without_workers_says_nothing_about_cards(signed_in):
    assert "of graphics memory" not in summary(signed_in)


def test_of_several_cards_that_are_all_slower_the_largest_is_named(signed_in):
    cards(8, 10)
    assert [expected(size, 65) for size in (8, 10)] == ["slower", "slower"]
    assert "offers 10.7 GB" in summary(signed_in)


def test_a_card_that_is_never_handed_the_clip_does_not_count(signed_in):
    cards(2, 8)
    assert expected(2, 65) == "waits"
    assert "offers 8.6 GB" in summary(signed_in)


def test_nothing_is_said_where_a_card_may_make_the_clip_at_full_speed(signed_in):
    """Which of the two cards takes it is not known beforehand."""
    cards(8, 24)
    assert "of graphics memory" not in summary(signed_in)


def test_nothing_is_said_where_a_processor_may_make_the_clip(signed_in):
    cards(8)
    WorkerFactory(device=roster.CPU, memory_total=64 * GIB)
    assert "of graphics memory" not in summary(signed_in)


def test_the_cards_of_other_stages_and_of_workers_that_died_do_not_count(signed_in):
    cards(8, queues=["upscale"])
    cards(8, heartbeat_at=timezone.now() - timedelta(hours=1))
    assert "of graphics memory" not in summary(signed_in)


def test_a_clip_that_fits_but_belongs_to_a_larger_class_waits_and_the_page_says_so(signed_in, settings):
    """A worker with 6.4 GB does not read the queue of 8 GB, where such a clip goes."""
    settings.MAX_SECONDS = 20
    need = min(card_memory.needs(SD15, 512, 512, 161).values())
    assert 6 * card_memory.GB < need < 8 * card_memory.GB
    WorkerFactory(device="A card", memory_total=need + 1)
    text = summary(signed_in, seconds="20")
    assert "of graphics memory" not in text
    assert "needs 8.0 GB of memory" in text
