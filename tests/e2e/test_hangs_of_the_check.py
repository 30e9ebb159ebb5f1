"""A safety check that stands still, with a real worker: it is ended, others go on, and nobody waits forever."""

import pytest

from tests.rigs.crew import Crew
from tests.rigs.trouble import Trouble
from tests.seeded import SeededSite

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

SHARE = """
from gallery.models import Screened, Screening, Video, Visibility
from gallery.sharing import services
video = Video.objects.filter(user__username="ada", format="mp4").first()
Screening.objects.filter(video=video).delete()
Video.objects.filter(pk=video.pk).update(screening=Screened.UNSEEN, visibility=Visibility.PRIVATE)
video.refresh_from_db()
services.set_visibility(video, Visibility.PUBLIC)
print(video.pk)
"""
LATER = """
from datetime import timedelta
from django.utils import timezone
from gallery.models import Screening
from gallery.screening.services import ask_left_over
ago = timezone.now() - timedelta(minutes=6)
Screening.objects.filter(video={video!r}).update(tried_at=ago, sent_at=ago)
print(ask_left_over())
"""
STATE = "SELECT screening FROM gallery_video WHERE id = ?"
ATTEMPTS = "SELECT attempts FROM gallery_screening WHERE video_id = ?"


@pytest.fixture
def site(tmp_path):
    started = SeededSite(tmp_path / "home").start()
    yield started
    assert started.stop() == 0


def test_a_check_that_stands_still_is_ended_and_after_three_a_moderator_has_to_look(site, tmp_path):
    trouble = Trouble(tmp_path / "orders")
    allowances = {"AURAVIDEO_HANG_AFTER": "4", "AURAVIDEO_LOAD_WITHIN": "3600"}
    with Crew(site) as crew:
        trouble.order("look", "stop", 3600)  # SIGSTOP, as of a process that a debugger or a broken disk holds
        crew.start("cpu", "cpu", rig="troubled_worker", **allowances, **trouble.environment)
        video = site.python(SHARE)

        def state() -> str:
            return site.rows(STATE, video.replace("-", ""))[0][0]

        def ended(times: int) -> None:
            said = "Killing process"
            crew.until(lambda: crew.log("cpu").read_text().count(said) == times, f"no check was ended: {times}")
            assert (state(), site.rows(ATTEMPTS, video.replace("-", ""))) == ("unseen", [(times,)])

        ended(1)
        for times, how in ((2, "hang"), (3, "sleep")):
            trouble.order("look", how)
            assert site.python(LATER.format(video=video)) == "1"
            ended(times)
        assert site.python(LATER.format(video=video)) == "1"
        crew.until(lambda: state() == "flagged", "no moderator has to look")


def test_the_worker_goes_on_and_the_next_attempt_succeeds(site, tmp_path):
    trouble = Trouble(tmp_path / "orders")
    with Crew(site) as crew:
        trouble.order("look", "die")
        crew.start("cpu", "cpu", rig="troubled_worker", **trouble.environment)
        video = site.python(SHARE)
        crew.until(lambda: trouble.taken("look"), "nothing looks")
        assert site.python(LATER.format(video=video)) == "1"
        query = (STATE, video.replace("-", ""))
        crew.until(lambda: site.rows(*query)[0][0] == "passed", "it was never checked")
