"""The create page: two modes that keep what was typed, and everything that fills the form."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from gallery.models import Video
from generation.create import summaries
from generation.create import views as create_views
from generation.create.forms import CreateForm
from generation.domain.plan import plan
from generation.domain.states import Status
from generation.models import Job
from generation.queue import services
from generation.requests import available
from generation.requests.request import MAX_SEED
from tests.factories import JobFactory, VideoFactory, a_request
from tests.workers.media.clips import CODECS, encode

pytestmark = pytest.mark.django_db

SIMPLE = {"prompt": "a red heart rising over the sea", "aspect": "16:9", "seconds": "3", "quality": "draft"}
ADVANCED = {
    "prompt": "a red heart rising over the sea",
    "negative_prompt": "rain",
    "aspect": "3:2",
    "short_side": "200",
    "seconds": "3",
    "fps": "16",
    "format": "webm",
    "model": "tiny",
    "motion_adapter": "tiny-motion",
    "steps": "11",
    "guidance": "2.5",
    "seed": "5",
    "variations": "1",
}


def create(client, mode, data):
    return client.post(f"{reverse('generation:create')}?mode={mode}", data)


def edit(client, query, data):
    return client.post(f"{reverse('generation:create-edit')}?{query}", data)


def values(response):
    return response.context["form"].values()


# --- Two modes -------------------------------------------------------------------------------------------------------


def test_a_sentence_a_shape_a_length_and_a_quality_are_enough(signed_in, user):
    create(signed_in, "simple", SIMPLE)
    request = Job.objects.get(user=user).render_request
    assert (request.width, request.height, request.seconds, request.preset) == (224, 128, 3, "draft")
    assert request.steps < available.catalogue().models["tiny"].steps


def test_everything_can_be_set_in_the_advanced_mode(signed_in, user):
    create(signed_in, "advanced", ADVANCED)
    request = Job.objects.get(user=user).render_request
    assert (request.width, request.height, request.fps, request.format) == (304, 200, 16, "webm")
    assert (request.negative_prompt, request.steps, request.guidance, request.seed) == ("rain", 11, 2.5, 5)
    assert request.preset == ""


def test_a_custom_shape_is_any_width_and_height(signed_in, user):
    create(signed_in, "advanced", {**ADVANCED, "aspect": "custom", "width": "500", "height": "300"})
    request = Job.objects.get(user=user).render_request
    assert (request.width, request.height) == (500, 300)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"width": ""}, "width"),
        ({"height": ""}, "height"),
        ({"width": "501"}, "width"),
        ({"height": "100"}, "height"),
        ({"width": "99999"}, "width"),
    ],
)
def test_a_custom_shape_that_cannot_be_is_answered_at_its_field(signed_in, changes, field):
    response = create(
        signed_in, "advanced", {**ADVANCED, "aspect": "custom", "width": "500", "height": "300", **changes}
    )
    assert list(response.context["form"].errors) == [field]
    assert not Job.objects.exists()


def test_a_longer_side_above_the_operators_limit_says_what_fits(signed_in, settings):
    settings.MAX_SIDE = 400
    response = create(signed_in, "advanced", {**ADVANCED, "aspect": "16:9", "short_side": "256"})
    assert "At most" in str(response.context["form"].errors["short_side"])
    fits = response.context["form"].errors["short_side"].as_text().split("At most ")[1].split()[0]
    assert create(signed_in, "advanced", {**ADVANCED, "aspect": "16:9", "short_side": fits}).status_code == 302


@pytest.mark.parametrize("field", ["prompt", "aspect", "seconds", "quality"])
def test_bad_input_in_the_simple_mode_is_answered_at_its_field(signed_in, field):
    response = create(signed_in, "simple", {**SIMPLE, field: "\x07"})
    assert list(response.context["form"].errors) == [field]
    assert not Job.objects.exists()


def test_bad_input_that_the_simple_mode_hides_is_said_all_the_same(signed_in):
    response = create(signed_in, "simple", {**SIMPLE, "guidance": "a lot"})
    assert "Guidance: Enter a number." in response.content.decode()
    assert not Job.objects.exists()


def test_switching_to_the_advanced_mode_keeps_what_was_typed_and_shows_the_quality_as_numbers(signed_in):
    response = edit(signed_in, "mode=simple&to=advanced", SIMPLE)
    found = values(response)
    assert response.context["form"].mode == "advanced"
    assert (found["prompt"], found["aspect"], found["seconds"]) == (SIMPLE["prompt"], "16:9", "3")
    assert (found["short_side"], found["fps"]) == (128, 16)


def test_switching_there_and_back_loses_nothing(signed_in):
    simple = values(edit(signed_in, "mode=advanced&to=simple", ADVANCED))
    assert simple["quality"] == "custom"
    there_again = values(edit(signed_in, "mode=simple&to=advanced", simple))
    assert {name: str(there_again[name]) for name in ADVANCED} == ADVANCED


def test_a_quality_is_recognised_when_switching_back(signed_in):
    advanced = values(edit(signed_in, "mode=simple&to=advanced", SIMPLE))
    advanced = {name: value for name, value in advanced.items() if value not in (None, "")}
    assert values(edit(signed_in, "mode=advanced&to=simple", advanced))["quality"] == "draft"


def test_switching_keeps_even_what_is_wrong(signed_in):
    found = values(edit(signed_in, "mode=advanced&to=simple", {**ADVANCED, "prompt": "", "steps": "many"}))
    assert (found["prompt"], found["steps"]) == ("", "many")


def test_switching_queues_nothing(signed_in):
    edit(signed_in, "mode=simple&to=advanced", SIMPLE)
    assert not Job.objects.exists()


def test_what_was_set_in_the_advanced_mode_counts_in_the_simple_one_and_is_said(signed_in, user):
    response = edit(signed_in, "mode=advanced&to=simple", ADVANCED)
    assert "seed 5" in response.content.decode()
    assert "negative prompt" in response.content.decode()
    create(signed_in, "simple", {**values(response), "quality": "standard"})
    request = Job.objects.get(user=user).render_request
    assert (request.seed, request.negative_prompt, request.height, request.fps) == (5, "rain", 256, 24)


def test_it_can_be_forgotten(signed_in):
    simple = values(edit(signed_in, "mode=advanced&to=simple", ADVANCED))
    response = edit(signed_in, "mode=simple&forget", simple)
    found = values(response)
    assert (found["prompt"], found["seconds"], found["aspect"]) == (ADVANCED["prompt"], "3", "3:2")
    assert (found.get("seed"), found["quality"]) == (None, "standard")
    assert "Also set:" not in response.content.decode()


def test_what_was_typed_for_one_is_there_for_several(signed_in):
    form = edit(signed_in, "mode=simple&to=many", SIMPLE).context["form"]
    assert (form["lines"].value(), form["aspect"].value(), form["quality"].value()) == (
        SIMPLE["prompt"],
        "16:9",
        "draft",
    )


def test_the_mode_is_remembered(signed_in):
    signed_in.get(reverse("generation:create"), {"mode": "advanced"})
    assert signed_in.get(reverse("generation:create")).context["form"].mode == "advanced"
    assert signed_in.get(reverse("generation:create"), {"mode": "nonsense"}).context["form"].mode == "advanced"


def test_a_reload_of_the_changed_form_comes_back_to_the_page(signed_in):
    assert signed_in.get(reverse("generation:create-edit")).url == reverse("generation:create")


def test_an_example_fills_in_the_prompt_by_its_link_alone(signed_in):
    response = signed_in.get(reverse("generation:create"), {"prompt": "a large red heart"})
    assert values(response)["prompt"] == "a large red heart"
    assert "?prompt=a+large+red+heart+rising+over+the+sea" in response.content.decode()


@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_every_field_that_is_shown_is_explained(signed_in, mode):
    response = signed_in.get(reverse("generation:create"), {"mode": mode})
    fields = response.context["form"].visible_fields()
    assert len(fields) >= 4
    assert all(str(field.help_text) in response.content.decode() for field in fields)
    assert all(field.help_text for field in fields)


# --- Variations ------------------------------------------------------------------------------------------------------


def test_variations_of_a_seed_have_that_seed_and_those_that_follow(signed_in, user):
    response = create(signed_in, "advanced", {**ADVANCED, "variations": "3", "seed": str(MAX_SEED - 1)})
    assert response.url == reverse("generation:jobs")
    assert set(Job.objects.values_list("seed", flat=True)) == {MAX_SEED - 1, MAX_SEED, 0}


def test_variations_without_a_seed_have_a_new_one_each(signed_in):
    create(signed_in, "advanced", {**ADVANCED, "variations": "8", "seed": ""})
    assert len(set(Job.objects.values_list("seed", flat=True))) == 8


@pytest.mark.parametrize("count", ["0", "9", "1000000", "-1", "x"])
def test_the_number_of_variations_is_bounded(signed_in, count):
    response = create(signed_in, "advanced", {**ADVANCED, "variations": count})
    assert list(response.context["form"].errors) == ["variations"]
    assert not Job.objects.exists()


def test_all_variations_are_queued_or_none(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 3
    response = create(signed_in, "advanced", {**ADVANCED, "variations": "4"})
    assert response.context["form"].non_field_errors()
    assert not Job.objects.exists()


# --- Summary ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "data"), [("simple", SIMPLE), ("advanced", ADVANCED)])
def test_the_summary_is_what_the_workers_will_do(signed_in, user, mode, data):
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode={mode}", {**data, "prompt": ""})
    summary = response.context["summary"]
    create(signed_in, mode, data)
    job = Job.objects.get(user=user)
    assert summary.plan == services.plan_of(job) == plan(job.render_request, available.catalogue().models["tiny"])
    assert "about" in response.content.decode().lower()


def test_the_summary_says_sizes_rates_and_steps(signed_in):
    data = {**ADVANCED, "aspect": "1:1", "short_side": "256", "fps": "24", "steps": "16", "seconds": "2"}
    text = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", data).content.decode()
    text = text.replace("\u00a0", " ")
    for part in ("17 frames of 64 × 64", "16 steps", "gaps", "48 frames, 24 a second", "4 times, to 256 × 256"):
        assert part in text


def test_the_summary_counts_the_queue_and_the_variations(signed_in, other_user):
    JobFactory.create_batch(2, user=other_user)
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", {**ADVANCED, "variations": "4"})
    summary = response.context["summary"]
    assert (summary.queue.jobs, summary.clips) == (2, 4)
    assert summary.queue.seconds > 0
    assert "4 clips" in response.content.decode()


def test_another_persons_flood_does_not_count_as_before_a_first_clip(user, other_user):
    for priority in (0, 1, 2):
        JobFactory(user=other_user, priority=priority)
    JobFactory(user=other_user, priority=9, status=Status.RUNNING)
    assert summaries.queue_for(user).jobs == 2


def test_what_left_the_catalogue_does_not_break_the_page(signed_in, user, other_user):
    JobFactory(user=other_user, request={**a_request(), "model": "sd-9000"})
    JobFactory(user=other_user, request={**a_request(), "width": 4000, "height": 4000})
    job = JobFactory(user=user, request={**a_request(), "width": 4000, "height": 4000})
    assert signed_in.get(reverse("generation:create"), {"from": job.pk, "quality": "best"}).status_code == 200


def test_the_summary_names_the_words_that_the_model_does_not_know(signed_in):
    def summary_of(prompt):
        address = f"{reverse('generation:create-summary')}?mode=simple"
        return signed_in.post(address, {**SIMPLE, "prompt": prompt}).content.decode()

    told = summary_of("a corgi on the street")
    assert "corgi, street" in told
    assert "It knows: circle" in told
    assert "notice--warning" not in summary_of("a red heart rising")
    assert "notice--warning" not in summary_of(" ")


def test_the_summary_of_nonsense_is_no_error(signed_in):
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", {"steps": "x", "model": "y"})
    assert response.status_code == 200
    assert response.context["summary"] is None


def test_the_simple_mode_says_what_each_quality_costs(signed_in):
    response = signed_in.get(reverse("generation:create"), {"mode": "simple"})
    costs = response.context["costs"]
    assert costs["draft"].seconds < costs["standard"].seconds < costs["best"].seconds
    live = signed_in.post(f"{reverse('generation:create-summary')}?mode=simple", SIMPLE).content.decode()
    assert live.count("hx-swap-oob") == 3


def test_what_was_set_under_advanced_has_its_cost_too(signed_in):
    costs = edit(signed_in, "mode=advanced&to=simple", ADVANCED).context["costs"]
    assert (costs["custom"].short_side, costs["custom"].fps) == (200, 16)


def test_the_summary_takes_few_queries_however_long_the_queue(signed_in, other_user, django_assert_max_num_queries):
    JobFactory.create_batch(30, user=other_user)
    with django_assert_max_num_queries(20):
        signed_in.post(f"{reverse('generation:create-summary')}?mode=simple", SIMPLE)


# --- From what was made before ---------------------------------------------------------------------------------------


def test_a_draft_is_rendered_in_full_with_its_prompt_and_seed(signed_in, user):
    create(signed_in, "simple", {**SIMPLE, "seed": "77"})
    draft = Job.objects.get(user=user)
    page = signed_in.get(reverse("generation:job", args=[draft.pk])).content.decode()
    link = f"{reverse('generation:create')}?from={draft.pk}&amp;quality=standard"
    assert link in page
    found = values(signed_in.get(link.replace("&amp;", "&")))
    create(signed_in, "simple", found)
    full = Job.objects.exclude(pk=draft.pk).get().render_request
    assert (full.prompt, full.seed, full.preset) == (SIMPLE["prompt"], 77, "standard")
    assert (full.width, full.height, full.fps) == (456, 256, 24)


def test_what_is_no_draft_is_not_offered_in_full(signed_in, user):
    page = signed_in.get(reverse("generation:job", args=[JobFactory(user=user).pk])).content.decode()
    assert "quality=standard" not in page
    assert "Create from this" in page


def test_it_is_said_when_the_full_clip_will_not_have_the_drafts_composition(signed_in, user):
    job = JobFactory(user=user, seed=1, request=a_request(fps=8))
    page = signed_in.get(reverse("generation:create"), {"from": job.pk, "quality": "standard"})
    assert "another composition" in page.content.decode()


def test_creating_from_a_video_fills_in_its_request(signed_in, user):
    video = VideoFactory(user=user, request=a_request(seed=3, fps=16, size="500x300", seconds=5))
    found = values(signed_in.get(reverse("generation:create"), {"video": video.pk, "mode": "advanced"}))
    assert (found["seed"], found["fps"], found["seconds"]) == (3, 16, 5)
    assert (found["aspect"], found["width"], found["height"]) == ("custom", 500, 300)


def test_creating_from_somebody_elses_video_shows_nothing_of_it(signed_in, other_user):
    video = VideoFactory(user=other_user)
    assert not values(signed_in.get(reverse("generation:create"), {"video": video.pk})).get("prompt")


def test_the_page_of_a_video_offers_it(signed_in, user):
    video = VideoFactory(user=user, request=a_request(seed=1, preset="draft"))
    page = signed_in.get(reverse("gallery:video", args=[video.pk])).content.decode()
    assert f"?video={video.pk}&amp;quality=standard" in page
    assert Video.objects.count() == 1


# --- From a file -----------------------------------------------------------------------------------------------------


def read_file(client, content, data=None, name="clip.mp4"):
    file = SimpleUploadedFile(name, content)
    return client.post(f"{reverse('generation:create-from-file')}?mode=advanced", {**(data or {}), "video_file": file})


@pytest.mark.parametrize("format", CODECS)
def test_a_clips_file_fills_in_the_form(signed_in, tmp_path, format):
    metadata = {"auravideo": 1, "request": a_request(seed=9, fps=8, steps=7, format=format)}
    response = read_file(signed_in, encode(tmp_path, format, metadata=metadata).read_bytes(), ADVANCED)
    found = values(response)
    assert (found["seed"], found["fps"], found["steps"], found["format"]) == (9, 8, 7, format)
    assert found["prompt"] == "a red heart rising over the sea"
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "metadata", [None, {"request": {"prompt": "x"}}, {"auravideo": 1}, {"auravideo": 1, "request": [1]}], ids=str
)
def test_a_foreign_file_is_refused_and_what_was_typed_stays(signed_in, tmp_path, metadata):
    response = read_file(signed_in, encode(tmp_path, "mp4", metadata=metadata).read_bytes(), ADVANCED)
    assert "There are no settings in this file" in response.content.decode()
    assert values(response)["negative_prompt"] == "rain"


@pytest.mark.parametrize("content", [b"\0", b"not a video" * 1000, b"GIF89a"])
def test_a_broken_file_is_refused(signed_in, content):
    assert "There are no settings in this file" in read_file(signed_in, content).content.decode()


def test_a_file_that_is_too_large_is_refused_and_what_was_typed_stays(signed_in, monkeypatch):
    content = io.BytesIO(b"x" * (create_views.MAX_FILE_BYTES + 1))
    content.name = "large.mp4"
    address = f"{reverse('generation:create-from-file')}?mode=advanced"
    response = signed_in.post(address, {"video_file": content, **ADVANCED})
    assert "larger than 64 MB" in response.content.decode()
    assert values(response)["negative_prompt"] == "rain"


def test_no_file_is_said(signed_in):
    response = signed_in.post(f"{reverse('generation:create-from-file')}?mode=simple", SIMPLE)
    assert "Choose a video file first" in response.content.decode()


def test_what_the_site_cannot_do_of_a_file_is_left_out_and_said(signed_in, tmp_path):
    request = {**a_request(seed=9), "model": "sd-9000", "seconds": 60, "fps": 7, "steps": "many", "extra": {"a": 1}}
    response = read_file(signed_in, encode(tmp_path, "mp4", metadata={"auravideo": 9, "request": request}).read_bytes())
    assert "sd-9000 is not on this machine" in response.content.decode()
    assert "the longest that may be made is 10 s" in response.content.decode()
    found = values(response)
    assert (found["model"], found["seconds"], found["fps"], found.get("steps")) == ("tiny", 10, 24, None)


def test_half_a_character_in_a_file_is_shown_as_a_question_mark(signed_in, tmp_path):
    request = {**a_request(seed=9), "prompt": "a \ud800 heart", "model": "\udfff"}
    page = read_file(signed_in, encode(tmp_path, "mp4", metadata={"auravideo": 1, "request": request}).read_bytes())
    assert values(page)["prompt"] == "a ? heart"
    assert page.content


def test_what_a_file_says_is_text_on_the_page_not_markup(signed_in, tmp_path):
    request = {**a_request(seed=9), "prompt": "</textarea><script>x</script>", "model": "<b>"}
    page = read_file(signed_in, encode(tmp_path, "mp4", metadata={"auravideo": 1, "request": request}).read_bytes())
    assert "<script>x" not in page.content.decode()
    assert "<b>" not in page.content.decode()


@pytest.mark.parametrize(
    "name", ["create", "create-edit", "create-summary", "create-from-file", "create-save-preset", "create-many"]
)
def test_nothing_is_taken_without_the_pages_token(user, name):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(reverse(f"generation:{name}"), SIMPLE).status_code == 403


@pytest.mark.parametrize("name", ["create-summary", "create-from-file", "create-save-preset"])
def test_who_is_not_signed_in_is_asked_to(client, name):
    assert client.post(reverse(f"generation:{name}"), SIMPLE).url.startswith(reverse("account_login"))


def test_a_form_says_what_it_holds_whether_typed_or_not():
    assert CreateForm(mode="advanced").values()["aspect"] == "1:1"
    assert CreateForm({"aspect": "3:2"}, mode="advanced").values()["aspect"] == "3:2"


@pytest.mark.parametrize("number", ["1" + "0" * 400, "100000", "0" * 5000 + "128", "9" * 5000])
@pytest.mark.parametrize("changes", [{"aspect": "16:9"}, {"aspect": "custom"}])
@pytest.mark.parametrize("name", ["create", "create-edit", "create-summary", "create-save-preset"])
def test_numbers_without_end_are_wrong_and_break_nothing(signed_in, name, changes, number):
    sizes = {"short_side": number, "width": number, "height": number}
    address = f"{reverse(f'generation:{name}')}?mode=advanced&to=simple"
    assert signed_in.post(address, {**ADVANCED, **changes, **sizes, "name": "x"}).status_code == 200
    simple = f"{reverse(f'generation:{name}')}?mode=simple&to=advanced"
    assert signed_in.post(simple, {**SIMPLE, **changes, **sizes, "name": "x"}).status_code in (200, 302)
