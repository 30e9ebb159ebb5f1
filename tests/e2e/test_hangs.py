"""A stage that hangs is killed within its allowance; its worker is free, and the clip still ends once."""

import time
from uuid import UUID

import pytest

from generation.domain.states import MAX_ATTEMPTS, Stage
from tests.rigs.crew import Crew
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

ALL_STAGES = {"seconds": 1, "fps": 16, "size": "256x256"}
QUEUE_OF = {Stage.PREPROCESS: "cpu", Stage.ASSEMBLE: "cpu"}
QUEUES = ("cpu", "generate", "interpolate", "upscale")
LONG = "3600"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Yield a site without workers of its own."""
    started = Site(tmp_path_factory.mktemp("hangs") / "home", queues="").start()
    yield started
    assert started.stop() == 0
    assert started.processes() == []


class Troubled:
    """A crew with a worker for each queue, and the file that says what these suffer.

    Args:
        hang, cancel: allowances in seconds.
    """

    def __init__(self, site, crew, folder, hang="3", cancel=LONG):
        self.site, self.crew, self.file = site, crew, folder / "trouble"
        allowances = {"AURAVIDEO_HANG_AFTER": hang, "AURAVIDEO_LOAD_WITHIN": hang, "AURAVIDEO_CANCEL_WITHIN": cancel}
        self.variables = {**allowances, "LIGHT_TROUBLE": str(self.file)}
        for queue in QUEUES:
            self.start(queue, wait=False)
        crew.until(lambda: len(crew.members()) == len(QUEUES), "a worker did not join")

    def start(self, queue, wait=True):
        self.crew.start(queue, queue, wait=wait, **self.variables)

    def make(self, trouble):
        """Submit a clip that meets some trouble; return it once it has."""
        self.file.write_text(trouble)
        job = self.crew.submit(**ALL_STAGES)
        if not trouble.endswith("always"):
            self.crew.until(lambda: not self.file.exists(), "nothing hangs")
        return job

    def column(self, query, job):
        return self.site.rows(query, UUID(job).hex)[0][0]

    def lost(self, job):
        query = "SELECT stage, error FROM generation_stagerun WHERE job_id = ? AND status = 'lost'"
        return self.site.rows(query, UUID(job).hex)

    def videos(self, job):
        return self.column("SELECT count(*) FROM gallery_video WHERE job_id = ?", job)

    def log(self, stage):
        return self.crew.log(QUEUE_OF.get(stage, stage)).read_text()


@pytest.fixture
def crew(site):
    with Crew(site) as crew:
        yield crew


CANCEL = """
from generation.models import Job
from generation.queue import services
print(services.cancel(Job.objects.get(pk={job!r})))
"""


@pytest.mark.parametrize("how", ["sleep", "hang"])
def test_cancelling_frees_the_worker_even_if_its_stage_hangs(crew, site, tmp_path, how):
    troubled = Troubled(site, crew, tmp_path, hang=LONG, cancel="2")
    job = troubled.make(f"generate {how}")
    assert site.python(CANCEL.format(job=job)) == "True"
    following = crew.submit(**ALL_STAGES)
    crew.until_done(following)
    assert (crew.status(job), troubled.lost(job), troubled.videos(job)) == ("cancelled", [], 0)


def test_a_worker_that_is_told_to_stop_ends_even_if_its_stage_hangs(crew, site, tmp_path):
    troubled = Troubled(site, crew, tmp_path, hang=LONG)
    job = troubled.make("generate hang")
    start = time.monotonic()
    crew.stop("generate")
    assert time.monotonic() - start < 75
    troubled.start("generate")
    crew.until_done(job)
    assert (troubled.lost(job), troubled.videos(job)) == ([], 1), "stopping a worker counts as an attempt"


# From here on a crew stays: it would take the clips of the tests above.


@pytest.fixture(scope="module")
def quick(site, tmp_path_factory):
    """Yield a crew that is quick to kill what hangs."""
    with Crew(site) as crew:
        yield Troubled(site, crew, tmp_path_factory.mktemp("quick"))


@pytest.mark.parametrize(
    ("stage", "how"),
    [*((stage, "sleep") for stage in Stage), (Stage.GENERATE, "hang"), (Stage.ASSEMBLE, "hang")],
)
def test_a_hang_costs_one_attempt_and_no_clip(quick, stage, how):
    job = quick.make(f"{stage} {how}")
    quick.crew.until_done(job)
    assert quick.lost(job) == [(stage, "stage-hung")]
    assert quick.videos(job) == 1
    assert "because it made no progress" in quick.log(stage)
    assert "Traceback" not in quick.log(stage)


def test_a_stage_that_hangs_every_time_fails_the_clip_with_that_reason(quick):
    job = quick.make("generate sleep always")
    quick.crew.until(lambda: quick.crew.status(job) == "failed", "it never failed")
    quick.file.unlink()
    assert len(quick.lost(job)) == MAX_ATTEMPTS
    assert quick.column("SELECT error_id FROM generation_job WHERE id = ?", job) == "stage-hung"
