"""Faults inside workers with the real models: every clip still ends once, with one video, or with the true reason.

Scaled down: a hang is one after 20 seconds, and a claim is lost after 8 instead of 60.
"""

from uuid import UUID

import pytest

from generation.domain.states import Stage
from tests.rigs.crew import Crew
from tests.rigs.memory_limit import MemoryLimit
from tests.rigs.trouble import Trouble
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

ALL_STAGES = {"seconds": 1, "fps": 16, "size": "256x256", "steps": 4}
QUEUES = ("cpu", "generate", "interpolate", "upscale")


class Troubled:
    """A crew of troubled workers, one for each queue, and the orders that these take."""

    def __init__(self, site, crew, folder):
        self.site, self.crew, self.trouble = site, crew, Trouble(folder)
        for queue in QUEUES:
            self.start(queue, wait=False)
        crew.until(lambda: len(crew.members()) == len(QUEUES), "a worker did not join")

    def start(self, queue, **how):
        variables = {"AURAVIDEO_HANG_AFTER": "20", "AURAVIDEO_LOAD_WITHIN": "120", **self.trouble.environment}
        self.crew.start(queue, queue, rig="troubled_worker", **how, **variables)

    def make(self, place, kind, argument=""):
        """Submit a clip that meets a fault; return it once it has ended."""
        self.trouble.order(place, kind, argument)
        job = self.crew.submit(**ALL_STAGES)
        self.crew.until(lambda: self.crew.status(job) in ("done", "failed"), f"{place} {kind}: it never ended")
        assert self.trouble.taken(place)
        return job

    def column(self, query, job):
        return self.site.rows(query, UUID(job).hex)[0][0]

    def ended(self, job):
        """Return how a job ended, with what error, and how many videos it has."""
        error = self.column("SELECT error_id FROM generation_job WHERE id = ?", job)
        return self.crew.status(job), error, self.column("SELECT count(*) FROM gallery_video WHERE job_id = ?", job)

    def attempts(self, job):
        """Return the stages that were not finished at the first attempt, and why."""
        query = "SELECT stage, status, error FROM generation_stagerun WHERE job_id = ? AND status IN ('lost', 'failed')"
        return self.site.rows(query, UUID(job).hex)

    def strays(self):
        """Return the files below the videos' folder that belong to no video, and videos' files that are missing."""
        columns = ("video_file", "poster_file", "preview_file", "thumbnail_file")
        known = {name for row in self.site.rows(f"SELECT {', '.join(columns)} FROM gallery_video") for name in row}
        media = self.site.home / "media"
        there = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
        return known ^ there

    def expect_no_strays(self):
        """Expect the files of videos and no others, once a process that is too late has taken its own back."""
        self.crew.until(lambda: not self.strays(), "files are missing, or belong to no video")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    home = tmp_path_factory.mktemp("crashes")
    site = Site(home / "home", queues="", AURAVIDEO_LOST_AFTER="8", OMP_NUM_THREADS="1").start()
    with Crew(site) as crew:
        yield Troubled(site, crew, home / "trouble")
    assert site.stop() == 0
    assert site.processes() == []


@pytest.mark.parametrize("stage", Stage)
def test_a_process_that_dies_in_the_midst_of_a_stage_costs_one_attempt(troubled, stage):
    job = troubled.make(stage, "die")
    assert troubled.ended(job) == ("done", "", 1)
    assert [(stage, status) for stage, status, _error in troubled.attempts(job)] == [(stage, "lost")]
    troubled.expect_no_strays()


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_that_runs_out_of_memory_once_costs_no_clip(troubled, stage):
    job = troubled.make(stage, "oom")
    assert troubled.ended(job) == ("done", "", 1)
    troubled.expect_no_strays()


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE])
def test_a_stage_that_has_too_little_memory_in_every_mode_is_tried_again(troubled, stage):
    job = troubled.make(stage, "oom", 99)
    assert troubled.ended(job) == ("done", "", 1)
    assert troubled.attempts(job) == [(stage, "lost", "machine-out-of-memory")], "these workers have no card"


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE])
def test_a_process_that_loses_its_card_ends_and_another_one_makes_the_clip(troubled, stage):
    job = troubled.make(stage, "card")
    assert troubled.ended(job) == ("done", "", 1)
    assert troubled.attempts(job) == [(stage, "lost", "card-failed")]
    assert len(set(troubled.crew.processes(stage, job))) > 1, "the process that lost its card went on"


def test_a_process_that_the_kernel_ends_was_out_of_memory(troubled):
    """Nobody else tells: to its parent, it died of a SIGKILL."""
    with MemoryLimit(megabytes=900) as limit:
        troubled.crew.stop("upscale")
        troubled.start("upscale", prefix=limit.prefix)
        job = troubled.make(Stage.UPSCALE, "bomb", 2000)
        assert limit.kills() == 1
        assert troubled.ended(job) == ("done", "", 1)
        assert troubled.attempts(job) == [("upscale", "lost", "machine-out-of-memory")]
        troubled.crew.stop("upscale")
    troubled.start("upscale")


def test_a_bug_fails_the_clip_and_says_so(troubled):
    assert troubled.ended(troubled.make(Stage.UPSCALE, "bug")) == ("failed", "internal", 0)


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.ASSEMBLE])
def test_a_process_that_stands_still_for_a_while_costs_no_attempt(troubled, stage):
    job = troubled.make(stage, "stop", 2)
    assert troubled.ended(job) == ("done", "", 1)
    assert troubled.attempts(job) == []


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.ASSEMBLE])
def test_a_process_that_stands_still_for_too_long_leaves_nothing_behind(troubled, stage):
    job = troubled.make(stage, "stop", 12)
    assert troubled.ended(job) == ("done", "", 1)
    troubled.expect_no_strays()


@pytest.mark.parametrize("kind", ["sleep", "hang"])
def test_a_stage_that_hangs_after_its_work_leaves_nothing_behind(troubled, kind):
    job = troubled.make(Stage.ASSEMBLE, kind)
    assert troubled.ended(job) == ("done", "", 1)
    assert troubled.attempts(job) == [("assemble", "lost", "stage-hung")]
    troubled.expect_no_strays()
