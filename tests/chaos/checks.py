"""What must hold after every fault, whatever it was."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import pairwise
from uuid import UUID

from generation.domain.states import Status
from tests.chaos.watcher import Watcher
from tests.chaos.world import World

FINGERPRINT = """
import hashlib
import av
from gallery.models import Video
found = []
for video in Video.objects.filter(job_id={job!r}):
    digest = hashlib.sha256()
    with video.video_file.open("rb") as stream, av.open(stream) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray(format="rgb24").tobytes())
    found.append(digest.hexdigest())
print(*found)
"""
STORED = """
import json
from django.core.files.storage import storages
from gallery.models import Video
def walk(storage, folder=""):
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return []
    found = [f"{{folder}}/{{name}}".strip("/") for name in files]
    return found + [key for name in folders for key in walk(storage, f"{{folder}}/{{name}}".strip("/"))]
rows = {{str(file) for video in Video.objects.all() for file in video.files}}
files = {{key: storages["default"].size(key) for key in walk(storages["default"], "videos")}}
print(json.dumps({{
    "file without a row": sorted(set(files) - rows), "row without a file": sorted(rows - set(files)),
    "empty file": sorted(key for key, size in files.items() if not size),
    "frames without a clip": sorted(walk(storages["frames"], "jobs")),
}}))
"""


def fingerprints(world: World, job: str) -> list[str]:
    """Return a digest of all frames of each video of a job."""
    return world.site.python(FINGERPRINT.format(job=job)).split()


def left_behind(world: World) -> dict[str, list[str]]:
    """Return what is in the storage and should not be, and what should be there and is not."""
    found = json.loads(world.site.python(STORED.format()))
    return {what: keys for what, keys in found.items() if keys}


def attempts(world: World, job: str) -> list[tuple[str, int, str]]:
    """Return the stage, the chunk and the reason of each attempt that was used up; `failed` if that ended the job."""
    reason = "CASE status WHEN 'failed' THEN 'failed' ELSE error END"
    query = f"SELECT stage, chunk, {reason} FROM generation_stagerun WHERE job_id = ?"
    return world.rows(f"{query} AND status IN ('lost', 'failed')", world.key(job))


def at_once(world: World, job: str) -> list[tuple[str, int]]:
    """Return the stages, with their chunks, that two workers held at the same time."""
    query = "SELECT stage, chunk, started_at, ended_at FROM generation_stagerun WHERE job_id = ? ORDER BY started_at"
    held = defaultdict(list)
    for stage, chunk, start, end in world.rows(query, world.key(job)):
        held[stage, chunk].append((str(start), str(end)))
    return [unit for unit, spans in held.items() for (_, end), (start, _) in pairwise(spans) if start < end]


def wrong_attempts(world: World, job: str, allowed: Collection[str], is_of_outages: bool) -> list[str]:
    """Return what was recorded of a job's attempts that no fault explains."""
    found = []
    for stage, chunk, reason in attempts(world, job):
        if is_of_outages:
            found.append(f"an outage used up an attempt at {stage}[{chunk}]: {reason!r}")
        elif reason not in allowed:
            found.append(f"a false reason for the end of {stage}[{chunk}]: {reason!r}")
    return found


class Timeline(Watcher):
    """Looks at the state of every job several times a second: done is done."""

    SECONDS = 0.25

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self._seen: dict[str, str] = {}

    def look_once(self) -> None:
        found = self.world.rows("SELECT id, status FROM generation_job")
        self.look({str(UUID(str(job))): status for job, status in found})

    def look(self, states: Mapping[str, str]) -> None:
        """Compare the states with those before."""
        for job, status in states.items():
            before = self._seen.get(job, status)
            if before == Status.DONE and status != before:
                self.wrong.append(f"{job} had ended as {before} and is {status}")
        self._seen = dict(states)
