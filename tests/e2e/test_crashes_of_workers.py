"""Workers crash in the midst of what they record, several at once, and the site repairs it by itself.

Light workers, a few lines; tests/e2e/test_crash_steps.py tries each line, but repairs by its own hand.
"""

from pathlib import Path
from uuid import UUID

import pytest

from generation.domain.states import Stage
from tests.rigs.crew import Crew
from tests.rigs.trouble import Trouble
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

CLIP = {"seconds": 1, "fps": 16, "size": "256x256"}
QUEUES = ("cpu", "generate", "interpolate", "upscale")
DELETE = """
from gallery import lifecycle
from gallery.models import Video
print(lifecycle.give_up(Video.objects.filter(job_id__in={jobs!r})))
"""
PRUNE = "from gallery.pruning import run; run.prune()"
COLUMNS = "video_file, poster_file, preview_file, thumbnail_file"


class Pairs:
    """Two light workers for each queue, and the orders that these take."""

    def __init__(self, site, crew, folder):
        self.site, self.crew, self.trouble = site, crew, Trouble(folder)
        for number in (1, 2):
            for queue in QUEUES:
                self.start(queue, number, wait=False)
        crew.until(lambda: len(crew.members()) == 2 * len(QUEUES), "a worker did not join")

    def start(self, queue, number, wait=True):
        self.crew.start(f"{queue}{number}", queue, wait=wait, **self.trouble.environment)

    def until_taken(self, *places):
        self.crew.until(lambda: all(map(self.trouble.taken, places)), f"nobody came to {self.trouble.waiting()}")

    def expect_all_well(self):
        """Expect a video for each job that is left, and its files, and no others."""
        jobs = self.site.rows("SELECT status, count(*) FROM generation_job GROUP BY status")
        videos = self.site.rows("SELECT count(*), count(DISTINCT job_id) FROM gallery_video")
        assert [("done", videos[0][0])] == jobs
        assert videos[0][0] == videos[0][1]
        self.crew.until(lambda: not self.strays(), "files are missing, or belong to no video")
        self.site.python(PRUNE)  # a process that dies right after its clip was done leaves the frames to this
        self.crew.until(lambda: not any(map(Path.is_file, self.frames())), "frames were left")

    def strays(self):
        """Return the files of no video, and those of videos that are missing. Files go after their rows."""
        media = self.site.home / "media"
        there = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
        return there ^ {name for row in self.site.rows(f"SELECT {COLUMNS} FROM gallery_video") for name in row}

    def frames(self):
        return (self.site.home / "frames").rglob("*")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    home = tmp_path_factory.mktemp("pairs")
    site = Site(home / "home", queues="", AURAVIDEO_LOST_AFTER="5").start()
    with Crew(site) as crew:
        yield Pairs(site, crew, home / "trouble")
    assert site.stop() == 0
    assert site.processes() == []


@pytest.mark.parametrize("line", [3, 80, 500])
def test_a_crash_at_the_end_of_every_stage_costs_no_clip(pairs, line):
    places = [f"finish-{stage}" for stage in Stage]
    for place in places:
        pairs.trouble.order(place, "crash", line)
    jobs = [pairs.crew.submit(**CLIP) for _ in range(3)]
    pairs.until_taken(*places)
    pairs.crew.until_done(*jobs)
    pairs.expect_all_well()


@pytest.mark.parametrize("line", [10, 60])
def test_a_worker_that_dies_while_it_buries_its_child_costs_no_clip(pairs, line):
    pairs.trouble.order("generate", "die")
    pairs.trouble.order("requeue", "crash", line)
    job = pairs.crew.submit(**CLIP)
    pairs.until_taken("generate", "requeue")
    dead = []
    pairs.crew.until(lambda: dead.extend(_ended(pairs.crew)) or dead, "nobody died")
    for name in dead:
        pairs.crew.workers.pop(name)
        pairs.start(name[:-1], name[-1])
    pairs.crew.until_done(job)
    lost = "SELECT count(*) FROM generation_stagerun WHERE job_id = ? AND status = 'lost'"
    assert pairs.site.rows(lost, UUID(job).hex) == [(1,)]
    pairs.expect_all_well()


def _ended(crew):
    return [name for name, worker in crew.workers.items() if worker.poll() is not None]


@pytest.mark.parametrize("line", [2, 20])
def test_a_crash_while_videos_are_deleted_leaves_no_file_and_no_row(pairs, line):
    jobs = [pairs.crew.submit(**CLIP) for _ in range(3)]
    pairs.crew.until_done(*jobs)
    pairs.trouble.order("purge", "crash", line)
    assert pairs.site.python(DELETE.format(jobs=jobs[:2])) == "2"
    pairs.until_taken("purge")
    left = f"SELECT count(*) FROM generation_job WHERE id IN ('{UUID(jobs[0]).hex}', '{UUID(jobs[1]).hex}')"
    pairs.crew.until(lambda: pairs.site.rows(left) == [(0,)], "the rest was never deleted")
    pairs.expect_all_well()
    assert pairs.crew.status(jobs[2]) == "done"
