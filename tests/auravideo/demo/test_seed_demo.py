"""`manage.py seed_demo` creates the same demo site every time and never touches existing users."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from auravideo.demo import clips as demo
from gallery.models import Video
from generation.domain.states import Stage, Status
from generation.models import Job, Preset
from generation.queue import estimates
from tests.factories import UserFactory
from workers.media import probe

pytestmark = pytest.mark.django_db

DONE = [clip for clip in demo.CLIPS if clip.state == "done"]


def seed(*arguments: str) -> str:
    out = StringIO()
    call_command("seed_demo", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def few(monkeypatch):
    """Return one clip per state; drawing a video takes a second."""
    by_state = {clip.state: clip for clip in demo.CLIPS}
    monkeypatch.setattr(demo, "CLIPS", tuple(by_state.values()))


def test_there_are_jobs_in_every_state_and_videos_that_play(few):
    seed("--password", "a long enough passphrase")
    assert set(Job.objects.values_list("status", flat=True)) == {status.value for status in Status}
    video = Video.objects.get()
    found = probe(video.video_file.path)
    assert (found.width, found.height, found.frames) == (video.width, video.height, video.frames)
    running = Job.objects.get(status=Status.RUNNING)
    assert running.stage_runs.filter(stage=Stage.GENERATE, status="running", done__gt=0).exists()
    assert Job.objects.get(status=Status.FAILED).error_text
    assert Job.objects.filter(batch__user__username="ada").count() > 1
    assert Preset.objects.get().user.username == "ada"


def test_the_library_has_favourites_a_collection_and_a_trash(monkeypatch):
    monkeypatch.setattr(demo, "CLIPS", tuple(clip for clip in DONE if clip.owner == "ada"))
    seed("--password", "a long enough passphrase")
    ada = User.objects.get(username="ada")
    videos = Video.objects.filter(user=ada)
    assert 0 < videos.filter(favourite=True).count() < videos.count()
    assert ada.collections.get().videos.count() >= 2
    assert videos.in_trash().count() == 1


def test_its_history_does_not_make_the_estimates_absurd(few):
    seed("--password", "a long enough passphrase")
    estimates._rate.cache_clear()
    job = Job.objects.filter(status=Status.DONE).get()
    took = (job.ended_at - job.started_at).total_seconds()
    assert 1 < took < 600


def test_the_people_can_sign_in_and_nobody_elses_password_is_known(few, client):
    seed("--password", "a long enough passphrase")
    assert client.login(username="ada", password="a long enough passphrase")
    assert [user.username for user in User.objects.filter(is_superuser=True)] == ["admin"]


def test_without_a_password_a_random_one_is_printed(few, client):
    password = seed().strip().rsplit(" ", 1)[1]
    assert len(password) >= 12
    assert client.login(username="ben", password=password)


def test_a_site_that_somebody_uses_is_left_alone(few):
    UserFactory(username="grace")
    with pytest.raises(CommandError, match="--force"):
        seed()
    assert User.objects.count() == 1
    seed("--force")
    assert User.objects.count() == 1 + len(demo.PEOPLE)


def test_a_taken_name_is_never_touched(few):
    UserFactory(username="ada")
    with pytest.raises(CommandError, match="ada"):
        seed("--force")
    assert User.objects.count() == 1


def test_the_clips_are_worth_looking_at():
    assert {clip.format for clip in DONE} == {"mp4", "webm", "gif"}
    assert len({clip.width / clip.height for clip in DONE}) >= 4
