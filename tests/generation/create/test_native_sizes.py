"""The form with models that were trained at one width and height for a shape: it opens there, and says what is made."""

import pytest
from django.urls import reverse

from generation.models import Job
from generation.queue import services
from tests.factories import JobFactory, QuotaFactory, VideoFactory, a_request
from tests.generation.create.pages import ADVANCED, SIMPLE, create, edit, values
from tests.other_families import NATIVE_SIZES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("native_sizes")]

WIDE = {**ADVANCED, "model": "tides", "aspect": "16:9", "short_side": "480", "fps": "16", "seconds": "2", "steps": ""}


def page_of(client, /, **data):
    return edit(client, "mode=advanced", {**WIDE, **data})


def told(response):
    return response.content.decode().replace("\u00a0", " ")


def made(client, /, mode="advanced", **data):
    """Return the base size, upscale factor and size of the clip that a form queues."""
    create(client, mode, {**WIDE, **data})
    plan = Job.objects.latest("created_at").render_plan
    return (plan.base_width, plan.base_height), plan.upscale, (plan.width, plan.height)


def test_a_wide_clip_is_made_at_the_models_own_width_and_height(signed_in):
    page = told(page_of(signed_in))
    assert "Generate 33 frames of 832 × 480" in page
    assert "The model was trained at 832 × 480 for this shape." in page
    assert "Scale and crop to 856 × 480." in page
    assert "Nothing is interpolated or upscaled." in page
    assert made(signed_in) == ((832, 480), 1, (856, 480))


def test_a_larger_one_is_upscaled_from_there_and_says_so(signed_in):
    page = told(page_of(signed_in, aspect="custom", width="1920", height="1080"))
    assert "Generate 33 frames of 832 × 480" in page
    assert "Upscale 4 times, to 3328 × 1920." in page
    assert "Scale and crop to 1920 × 1080." in page
    assert made(signed_in, aspect="custom", width="1920", height="1080") == ((832, 480), 4, (1920, 1080))


def test_exactly_its_own_size_is_neither_scaled_nor_cropped(signed_in):
    page = told(page_of(signed_in, aspect="custom", width="832", height="480"))
    assert "The model was trained at 832 × 480 for this shape." in page
    assert "The model makes this size and frame rate itself" in page
    assert "Scale" not in page and "Crop to" not in page


def test_other_shapes_are_made_as_ever(signed_in):
    page = told(page_of(signed_in, aspect="3:2"))
    assert "Generate 33 frames of 720 × 480" in page
    assert "trained at" not in page
    assert made(signed_in, aspect="3:2") == ((720, 480), 1, (720, 480))


def test_a_size_that_is_only_scaled_says_so(signed_in):
    page = told(page_of(signed_in, model="lake", aspect="1:1", short_side="1000"))
    assert "Generate 33 frames of 640 × 640" in page
    assert "Scale to 1000 × 1000." in page


@pytest.mark.parametrize(
    ("model", "aspect", "side"), [("tides", "16:9", 480), ("lake", "1:1", 640), ("waves", "1:1", 480)]
)
def test_another_model_opens_at_its_own_shape_and_size(signed_in, model, aspect, side):
    before = {"shown_model": "tiny", "aspect": "1:1", "short_side": "256", "fps": "24"}
    found = values(page_of(signed_in, **before, model=model))
    assert (found["aspect"], found["short_side"], found["fps"]) == (aspect, side, 16)


def test_a_shape_that_somebody_chose_stays_with_another_model(signed_in):
    before = {"shown_model": "tiny", "aspect": "2:3", "short_side": "256"}
    assert values(page_of(signed_in, **before))["aspect"] == "2:3"


@pytest.mark.parametrize(
    ("model", "before", "side", "aspect", "expected"),
    [
        ("lake", "1:1", "640", "3:2", 512),
        ("lake", "3:2", "512", "1:1", 640),
        ("lake", "3:2", "512", "16:9", 480),
        ("lake", "3:2", "384", "1:1", "384"),  # somebody chose it
        ("lake", "1:1", "", "3:2", ""),  # empty means the usual one
        ("tides", "16:9", "480", "9:16", "480"),  # the same
    ],
)
def test_another_shape_opens_at_the_models_own_size_for_it(signed_in, model, before, side, aspect, expected):
    shown = {"shown_model": model, "shown_aspect": before}
    found = values(page_of(signed_in, **shown, model=model, aspect=aspect, short_side=side))
    assert (found["aspect"], str(found["short_side"])) == (aspect, str(expected))


def test_a_shape_and_a_model_that_change_together_open_at_the_size_of_both(signed_in):
    shown = {"shown_model": "lake", "shown_aspect": "1:1"}
    found = values(page_of(signed_in, **shown, model="tides", aspect="9:16", short_side="640"))
    assert (found["aspect"], found["short_side"]) == ("9:16", 480)


@pytest.mark.parametrize(("before", "size"), [("16:9", ("832", "480")), ("9:16", ("480", "832"))])
def test_a_custom_shape_begins_with_the_size_that_the_model_was_trained_at(signed_in, before, size):
    shown = {"shown_model": "tides", "shown_aspect": before}
    found = values(page_of(signed_in, **shown, aspect="custom"))
    assert (str(found["width"]), str(found["height"])) == size


def test_a_custom_size_is_not_called_optional(signed_in):
    page = told(page_of(signed_in, aspect="custom"))
    for name in ("width", "height"):
        label = page[page.index(f'<label for="id_{name}">') :]
        assert "(optional)" not in label[: label.index("</label>")]


@pytest.mark.parametrize("typed", [{"width": "1920"}, {"height": "1080"}, {"width": "1920", "height": "1080"}])
def test_a_custom_size_that_somebody_typed_stays(signed_in, typed):
    found = values(page_of(signed_in, shown_model="tides", shown_aspect="16:9", aspect="custom", **typed))
    assert {name: found[name] for name in ("width", "height") if found.get(name)} == typed


@pytest.mark.parametrize("shown", ["4:3", "custom", "", "1:1"])
def test_a_shape_that_has_no_size_leaves_a_custom_one_empty(signed_in, shown):
    found = values(page_of(signed_in, shown_model="tides", shown_aspect=shown, aspect="custom"))
    assert not found.get("width") and not found.get("height")


def test_the_form_asks_for_the_size_of_a_shape_where_the_model_has_several(signed_in):
    asks = "change from:#id_aspect"
    assert asks in told(page_of(signed_in, model="lake"))
    assert asks not in told(page_of(signed_in, model="waves")), "all shapes have the same"


def test_back_at_a_model_without_native_sizes_the_shape_is_a_square_again(signed_in):
    assert values(page_of(signed_in, shown_model="tides", model="tiny"))["aspect"] == "1:1"


@pytest.mark.parametrize(
    ("aspect", "quality", "expected"),
    [
        ("3:2", "standard", ((768, 512), 1, (768, 512))),
        ("3:2", "best", ((768, 512), 2, (1536, 1024))),
        ("3:2", "draft", ((384, 256), 1, (384, 256))),
        ("1:1", "standard", ((640, 640), 1, (640, 640))),
        ("16:9", "standard", ((864, 480), 1, (856, 480))),
    ],
)
def test_a_quality_means_the_size_that_the_model_was_trained_at_for_the_shape(signed_in, aspect, quality, expected):
    data = {**SIMPLE, "model": "lake", "aspect": aspect, "quality": quality, "seconds": "1"}
    assert made(signed_in, "simple", **data) == expected


def test_the_form_opens_at_the_shape_of_the_default_model(signed_in, settings, tmp_path):
    path = tmp_path / "default.toml"
    path.write_text(
        NATIVE_SIZES + '[models.gulf]\nvariant_of = "waves"\nlabel = "Gulf"\ndefault = true\n'
        'native_sizes = { "9:16" = "480x832" }\n'
    )
    settings.CATALOGUE_FILE = str(path)
    for mode in ("simple", "advanced"):
        form = signed_in.get(reverse("generation:create"), {"mode": mode}).context["form"]
        assert form["aspect"].value() == "9:16"
        assert form.outline()[0].height == 856
    batch = edit(signed_in, "mode=simple&to=many", {"prompt": "a wave"})
    assert batch.context["form"]["aspect"].value() == "9:16"


def test_its_own_sizes_are_suggested(signed_in):
    assert {480, 512, 640, 1024, 1280} <= set(page_of(signed_in, model="lake").context["form"].short_sides)


def test_a_sweep_over_models_makes_each_at_its_own_size(signed_in):
    asked = {**WIDE, "confirmed": "1", "across": "model", "across_values": "waves, tides"}
    signed_in.post(f"{reverse('generation:create-sweep')}?mode=advanced", asked)
    bases = {job.render_request.model: job.plan["base_width"] for job in Job.objects.all()}
    assert bases == {"waves": 864, "tides": 832}


@pytest.fixture
def earlier(user, settings, tmp_path):
    """Return a clip that was cancelled before its model had native sizes, which it has now."""
    job = JobFactory(user=user, seed=7, request=a_request(model="waves", size="856x480", fps=16))
    services.cancel(job)
    path = tmp_path / "since.toml"
    path.write_text(
        NATIVE_SIZES.replace("native_size = 480", 'native_size = 480\nnative_sizes = { "16:9" = "832x480" }', 1)
    )
    settings.CATALOGUE_FILE = str(path)
    return job


def test_a_clip_that_is_tried_again_keeps_the_plan_with_which_it_was_queued(earlier, user):
    services.retry(earlier)
    assert Job.objects.get().render_plan.base_width == 864
    services.submit(user, earlier.render_request)
    assert Job.objects.exclude(pk=earlier.pk).get().render_plan.base_width == 832


def test_it_is_said_where_the_same_seed_gives_another_composition_now(signed_in, user, earlier):
    def notes(**parameters):
        return signed_in.get(reverse("generation:create"), parameters).context["notes"]

    assert notes(**{"from": earlier.pk}) == [
        "Clips like this are now made at another size, so the same seed gives a different composition."
    ]
    assert "a different composition" in str(notes(**{"from": earlier.pk, "quality": "standard"}))
    video = VideoFactory(user=user, job=earlier, request=earlier.stored_request)
    assert "a different composition" in str(notes(video=video.pk))
    now = JobFactory(user=user, seed=7, request=a_request(model="waves", size="856x480", fps=16))
    assert notes(**{"from": now.pk}) == notes(**{"from": now.pk, "quality": "standard"}) == []
    other = JobFactory(user=user, seed=7, request=a_request(model="waves", size="480x480", fps=16))
    assert notes(**{"from": other.pk}) == []


@pytest.mark.parametrize("quota", [{"max_side": 512}, {}])
@pytest.mark.parametrize(
    ("before", "side", "aspect", "expected"), [("1:1", 512, "16:9", (512, 290)), ("16:9", 290, "1:1", (512, 512))]
)
def test_within_a_smaller_largest_side_another_shape_opens_at_what_fits(
    signed_in, user, settings, quota, before, side, aspect, expected
):
    if quota:
        QuotaFactory(user=user, **quota)
    else:
        settings.MAX_SIDE = 512
    shown = {"shown_model": "lake", "shown_aspect": before, "model": "lake"}
    form = page_of(signed_in, **shown, aspect=aspect, short_side=str(side)).context["form"]
    (request,) = form.outline()
    assert (request.width, request.height) == expected


@pytest.mark.parametrize(("most", "size"), [(512, (512, 294)), (200, ("", ""))])
def test_a_custom_size_begins_within_the_largest_side(signed_in, user, most, size):
    QuotaFactory(user=user, max_side=most)
    found = values(page_of(signed_in, shown_model="tides", shown_aspect="16:9", aspect="custom", width="", height=""))
    assert (found["width"], found["height"]) == size


def test_a_shape_that_changed_with_the_mode_keeps_its_quality(signed_in):
    """As without scripts, where no request comes between the two."""
    shown = {"shown_model": "lake", "shown_aspect": "3:2", "model": "lake"}
    form = edit(signed_in, "mode=advanced&to=simple", {**WIDE, **shown, "aspect": "1:1", "short_side": "512"})
    assert values(form)["quality"] == "standard"
    assert (form.context["form"].outline()[0].width) == 640


def test_a_custom_size_that_was_only_begun_begins_again(signed_in):
    shown = {"shown_model": "tides", "model": "tides"}
    begun = {**shown, "shown_aspect": "custom", "width": "832", "height": "480"}
    found = values(page_of(signed_in, **begun, aspect="9:16"))
    again = values(page_of(signed_in, **{**found, **shown, "shown_aspect": "9:16", "aspect": "custom"}))
    assert (again["width"], again["height"]) == (480, 832)


@pytest.mark.parametrize("value", ["nonsense", "9" * 5000, "\x00", "-1"])
def test_fields_that_were_tampered_with_break_nothing(signed_in, value):
    data = {**WIDE, "shown_model": "tides", "shown_aspect": "1:1", "width": "832", "height": "480"}
    for name in ("shown_model", "shown_aspect", "aspect", "width"):
        assert edit(signed_in, "mode=advanced&to=simple", {**data, name: value}).status_code == 200
