"""Prefilling the form from an earlier job or video, or from a video file; other users' work is never shown."""

import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from gallery.models import Video
from generation.create import views as create_views
from generation.models import Job
from tests.factories import JobFactory, VideoFactory, a_request
from tests.generation.create.pages import ADVANCED, SIMPLE, create, values
from tests.workers.media.clips import CODECS, encode

pytestmark = pytest.mark.django_db


def test_a_draft_is_rendered_in_full_with_its_prompt_and_seed(signed_in, user):
    create(signed_in, "simple", {**SIMPLE, "seed": "77"})
    draft = Job.objects.get(user=user)
    page = signed_in.get(reverse("generation:job", args=[draft.pk])).content.decode()
    link = f"{reverse('generation:create')}?from={draft.pk}&amp;quality=standard"
    assert link in page
    found = values(signed_in.get(link.replace("&amp;", "&")))
    create(signed_in, "simple", found)
    full = Job.objects.exclude(pk=draft.pk).get().render_request
    assert (full.prompt, full.seed, full.quality) == (SIMPLE["prompt"], 77, "standard")
    assert (full.width, full.height, full.fps) == (456, 256, 24)


def test_rendering_in_full_is_one_button_and_everything_else_is_a_link_away(signed_in, user):
    draft = JobFactory(user=user, seed=5, request=a_request(quality="draft"))
    address = f"{reverse('generation:create')}?from={draft.pk}&quality=standard"
    page = signed_in.get(address).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    assert "<h1>Render in full</h1>" in main
    assert len(re.findall(r"<button[^>]*>", main[main.index('id="create-form"') :])) == 1
    assert not re.search(r"<(select|textarea)", main)
    (change,) = re.findall(r'href="([^"]+)">Change the settings first<', main)
    form = signed_in.get(change.replace("&amp;", "&"))
    assert "<textarea" in form.content.decode()
    assert (values(form)["prompt"], values(form)["seed"]) == (draft.request["prompt"], 5)


def test_only_drafts_are_offered_in_full(signed_in, user):
    page = signed_in.get(reverse("generation:job", args=[JobFactory(user=user).pk])).content.decode()
    assert "quality=standard" not in page
    assert "Create from this" in page


def test_it_is_said_when_the_full_clip_will_not_have_the_drafts_composition(signed_in, user):
    job = JobFactory(user=user, seed=1, request=a_request(fps=8))
    page = signed_in.get(reverse("generation:create"), {"from": job.pk, "quality": "standard"})
    assert "a different composition" in page.content.decode()


def test_creating_from_a_video_fills_in_its_request(signed_in, user):
    video = VideoFactory(user=user, request=a_request(seed=3, fps=16, size="500x300", seconds=5))
    found = values(signed_in.get(reverse("generation:create"), {"video": video.pk, "mode": "advanced"}))
    assert (found["seed"], found["fps"], found["seconds"]) == (3, 16, 5)
    assert (found["aspect"], found["width"], found["height"]) == ("custom", 500, 300)


def test_creating_from_another_users_video_reveals_nothing(signed_in, other_user):
    video = VideoFactory(user=other_user)
    assert not values(signed_in.get(reverse("generation:create"), {"video": video.pk})).get("prompt")


def test_the_page_of_a_video_offers_it(signed_in, user):
    video = VideoFactory(user=user, request=a_request(seed=1, quality="draft"))
    page = signed_in.get(reverse("gallery:video", args=[video.pk])).content.decode()
    assert f"?video={video.pk}&amp;quality=standard" in page
    assert Video.objects.count() == 1


def test_creating_again_fills_in_the_request_with_its_seed(signed_in, user):
    job = JobFactory(user=user, seed=99)
    form = signed_in.get(reverse("generation:create"), {"from": job.pk}).context["form"]
    assert (form["prompt"].value(), form["seed"].value()) == (job.request["prompt"], 99)


@pytest.mark.parametrize("id", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_creating_again_from_nothing_shows_the_empty_form(signed_in, id):
    assert not signed_in.get(reverse("generation:create"), {"from": id}).context["form"]["prompt"].value()


def test_creating_again_from_another_users_job_reveals_nothing(signed_in, other_user):
    job = JobFactory(user=other_user)
    form = signed_in.get(reverse("generation:create"), {"from": job.pk}).context["form"]
    assert not form["prompt"].value()


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
    assert "This file has no settings" in response.content.decode()
    assert values(response)["negative_prompt"] == "rain"


@pytest.mark.parametrize("content", [b"\0", b"not a video" * 1000, b"GIF89a"])
def test_a_broken_file_is_refused(signed_in, content):
    assert "This file has no settings" in read_file(signed_in, content).content.decode()


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


def test_unsupported_values_of_a_file_are_dropped_and_reported(signed_in, tmp_path):
    request = {**a_request(seed=9), "model": "sd-9000", "seconds": 60, "fps": 7, "steps": "many", "extra": {"a": 1}}
    response = read_file(signed_in, encode(tmp_path, "mp4", metadata={"auravideo": 9, "request": request}).read_bytes())
    assert "sd-9000 is not on this machine" in response.content.decode()
    assert "the maximum is 10 s" in response.content.decode()
    found = values(response)
    assert (found["model"], found["seconds"], found["fps"], found.get("steps")) == ("tiny", 10, 24, None)


def test_half_a_character_in_a_file_is_shown_as_a_question_mark(signed_in, tmp_path):
    request = {**a_request(seed=9), "prompt": "a \ud800 heart", "model": "\udfff"}
    page = read_file(signed_in, encode(tmp_path, "mp4", metadata={"auravideo": 1, "request": request}).read_bytes())
    assert values(page)["prompt"] == "a ? heart"
    assert page.content


def test_text_from_a_file_is_escaped(signed_in, tmp_path):
    request = {**a_request(seed=9), "prompt": "</textarea><script>x</script>", "model": "<b>"}
    page = read_file(signed_in, encode(tmp_path, "mp4", metadata={"auravideo": 1, "request": request}).read_bytes())
    assert "<script>x" not in page.content.decode()
    assert "<b>" not in page.content.decode()
