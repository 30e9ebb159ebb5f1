"""A site that was used and then stopped, with jobs in every state, some of them half rendered.

The state of each job is deterministic: a stage that must not run has no worker, and a stage to be interrupted is held
(tests/e2e/held_stages.py) or reads from a pipe that nothing is written to. The site always shuts itself down.
"""

import base64
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import redis

from tests.e2e.held_stages import HeldFrames, chunk, held_queue, job_folder, stop_in_the_midst, wait_until
from tests.rigs.visitor import Request, make_people, post, visit
from tests.site import Site

OWNER = "olga"  # of every finished job
LINES = "a green cross growing on white\na cyan star falling at sunset\n"  # of the batch submitted on the page
ROWS = (
    "prompt,size,seconds,fps,steps,seed\na pink circle on grey,128x128,1,8,2,5\na red star on black,128x128,1,8,2,6\n"
)
MANY = {"lines": LINES, "aspect": "1:1", "seconds": "1", "quality": "draft"}
DRAFT = {
    "prompt": "a large red heart rising over the sea",
    "aspect": "1:1",
    "seconds": "1",
    "quality": "draft",
    "seed": "21",
}
PRESET = {"fps": "8", "short_side": "130", "aspect": "3:2", "seconds": "4", "steps": "3"}
TABLES = ("generation_job", "generation_stagerun", "gallery_video", "generation_preset", "generation_batch")
KEPT_HERE = {"AURAVIDEO_UNDO_MINUTES": "120"}


@dataclass
class Story:
    """The outcome: `ended` and `active` map names to job IDs, `before` holds the rows of each table."""

    home: Path
    ended: dict[str, str] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)  # the requests, by name
    videos: dict[str, str] = field(default_factory=dict)
    preset: str = ""
    batch: str = ""
    token: str = ""
    before: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    messages: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)


def asked_for(prompt: str, seconds: int = 2, fps: int = 16, steps: int = 2, **more: str) -> dict[str, str]:
    """Return the form of a small clip: 128 pixels from 64, so every stage has work unless it is 8 frames per second."""
    numbers = {"seconds": str(seconds), "fps": str(fps), "steps": str(steps)}
    return {"prompt": prompt, "aspect": "1:1", "short_side": "128", **numbers, "seed": "7", **more}


class Teller:
    """The builder of the story, on sites running the code in `root`."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home = root, home
        self.story = Story(home)
        self.site: Site

    def tell(self) -> Story:
        """Play the whole story; the site is stopped at the end."""
        self._finish_some()
        self._generate_some()
        self._interrupt_some()
        self._queue_some()
        self.story.before = tables(self.home)
        return self.story

    # --- Chapters -----------------------------------------------------------------------------------------------------

    def _finish_some(self) -> None:
        """Finish clips in every format and visibility, a batch and a preset; cancel a clip before it starts."""
        self._start(None)
        active = ("failing", "assembling", "halved", "between", "cut", "handed-back", "waiting", "queued", "unsent")
        make_people(self.site, OWNER, *active)
        clips = {
            "public": asked_for("a yellow cross", 1, 8),
            "unlisted": asked_for("a cyan square", 1, 16, format="webm"),
            "trashed": asked_for("a purple star", 1, 8, format="gif"),
        }
        for name, asked in clips.items():
            self._ask(name, OWNER, asked, self.story.ended)
        draft, batch = self._visit(post(OWNER, "/create/?mode=simple", **DRAFT), post(OWNER, "/create/many/", **MANY))
        self.story.ended["draft"], self.story.batch = _id(draft["to"]), _id(batch["to"])
        self._visit(post(OWNER, "/create/save-preset/?mode=advanced", **PRESET, preset_name="Slow"))
        self._wait_for_rows(6, "SELECT 1 FROM generation_job WHERE status = 'done'")
        stopped = asked_for("an orange circle", 10, 32, 100)
        self._ask("stopped", OWNER, stopped, self.story.ended)
        self._visit(post(OWNER, f"/jobs/{self.story.ended['stopped']}/cancel/"))
        for name in ("public", "unlisted", "trashed", "draft"):
            ((video,),) = self._rows("SELECT id FROM gallery_video WHERE job_id = ?", self.story.ended[name])
            self.story.videos[name] = str(UUID(video))
        for name in ("public", "unlisted"):
            self._visit(post(OWNER, f"/videos/{self.story.videos[name]}/visibility/", visibility=name))
        self._visit(post(OWNER, f"/videos/{self.story.videos['trashed']}/delete/"))
        rows = self._rows("SELECT share_token FROM gallery_video WHERE visibility = 'unlisted'")
        self.story.token = rows[0][0]
        self.story.preset = str(UUID(self._rows("SELECT id FROM generation_preset")[0][0]))
        assert self.site.stop() == 0

    def _generate_some(self) -> None:
        """Leave clips waiting after generation; cancel one of them; interrupt one while it is generated."""
        self._start("cpu,generate")
        self._ask("failing", "failing", asked_for("a red circle", 1), self.story.ended)
        for name in ("assembling", "halved", "between"):
            self._ask(name, name, asked_for(f"a blue star, {name}"), self.story.active)
        self._ask("cut", "cut", asked_for("a green square"), self.story.ended)
        for name in ("failing", "assembling", "halved", "between", "cut"):
            self._wait_for_stage(name, "generate", 0)
        self._visit(post("cut", f"/jobs/{self.story.ended['cut']}/cancel/"))
        wait_until(lambda: not job_folder(self.site, self.story.ended["cut"]).exists(), "its frames were kept")
        self._ask("handed-back", "handed-back", asked_for("a pink cross", steps=60), self.story.active)
        working = "SELECT 1 FROM generation_stagerun WHERE job_id = ? AND stage = 'generate' AND done > 0"
        self._wait_for_rows(1, working, self.story.active["handed-back"])
        with held_queue(self.site, "generate"):
            self._ask("waiting", "waiting", asked_for("a cyan cross", 1), self.story.active)
            self._wait_for_stage("waiting", "preprocess", 0)
            stop_in_the_midst(self.site, "generate")

    def _interrupt_some(self) -> None:
        """Fail one clip, leave one waiting after upscaling, and stop one while its second chunk is interpolated."""
        (job_folder(self.site, self.story.ended["failing"]) / "upscale").write_bytes(b"")  # in place of a folder
        frames = HeldFrames(chunk(self.site, self.story.active["halved"], "generate", 1))
        self._start("interpolate,upscale")
        self._wait_for_rows(1, "SELECT 1 FROM generation_job WHERE id = ? AND status = 'failed'", self._job("failing"))
        for unit in (("assembling", "upscale", 0), ("assembling", "upscale", 1), ("halved", "upscale", 0)):
            self._wait_for_stage(*unit)
        frames.wait_for_reader(self.site, "interpolate")
        assert self.site.stop() == 0  # killed after 20 seconds: the blocked reader cannot react
        frames.put_back()

    def _queue_some(self) -> None:
        """Queue clips that no worker has started, some of them in a batch, and lose the message of one."""
        self._start("")
        self._ask("unsent", "unsent", asked_for("a yellow star", 1), self.story.active)
        broker = redis.Redis(unix_socket_path=str(self.home / "redis" / "redis.sock"))
        for key, raw in _messages(broker):
            if self.story.active["unsent"] in _body(raw):
                broker.lrem(key, 1, raw)
        self._ask("queued", "queued", asked_for("a purple circle", 1, 8), self.story.active)
        done = self.site.manage("batch", "-", "--user", OWNER, "--format", "csv", stdin=ROWS)
        assert done.returncode == 0, done.stderr
        batched = self._rows("SELECT row, id FROM generation_job WHERE status = 'queued' AND batch_id IS NOT NULL")
        for row, job in batched:
            self.story.active[f"row-{row}"] = str(UUID(job))
            self.story.asked[f"row-{row}"] = asked_for("", 1, 8)
        self.story.messages = messages(broker)
        assert self.site.stop() == 0

    # --- Small steps --------------------------------------------------------------------------------------------------

    def _start(self, queues: str | None) -> None:
        # Workers are paused here on purpose: don't count them as lost.
        self.site = Site(self.home, queues, root=self.root, AURAVIDEO_LOST_AFTER="3600", **KEPT_HERE)
        if self.site.log.exists():
            self.site.log.unlink()
        self.site.start()

    def _visit(self, *requests: Request) -> list[dict[str, Any]]:
        answers = visit(self.site, *requests)
        assert all(answer["status"] in (200, 302) for answer in answers), answers
        return answers

    def _ask(self, name: str, person: str, asked: dict[str, str], group: dict[str, str]) -> None:
        (answer,) = self._visit(post(person, "/create/?mode=advanced", **asked))
        assert answer["to"].startswith("/jobs/"), answer
        group[name] = _id(answer["to"])
        self.story.asked[name] = asked

    def _job(self, name: str) -> str:
        return self.story.active.get(name) or self.story.ended[name]

    def _wait_for_stage(self, name: str, stage: str, index: int) -> None:
        done = "SELECT 1 FROM generation_stagerun WHERE job_id = ? AND stage = ? AND chunk = ? AND status = 'done'"
        self._wait_for_rows(1, done, self._job(name), stage, index)

    def _wait_for_rows(self, count: int, query: str, *values: object) -> None:
        wait_until(lambda: len(self._rows(query, *values)) >= count, f"{query} {values}")

    def _rows(self, query: str, *values: object) -> list[tuple]:
        """Return `Site.rows`, with dashed IDs converted to the form that SQLite stores."""
        return self.site.rows(query, *[value.replace("-", "") if _is_id(value) else value for value in values])


def tables(home: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return every row of `TABLES` by ID, as stored, with its JSON parsed."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with closing(sqlite3.connect(home / "db.sqlite3", timeout=20)) as database:
        database.row_factory = sqlite3.Row
        for table in TABLES:
            rows = list(map(dict, database.execute(f"SELECT * FROM {table}")))
            found[table] = {str(row["id"]): {name: _value(name, value) for name, value in row.items()} for row in rows}
    return found


JSON = {"request", "warnings", "error_context", "output", "settings", "plan"}


def _value(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON and isinstance(value, str) else value


OLD_COLUMNS = {"previewed_at": "preview"}  # columns renamed since then


def changes(before: dict[str, Any], after: dict[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """Return a row's changes by column: (before, after). New columns and renamed ones don't count."""
    if after is None:
        return {"": ("there", "gone")}
    now = {OLD_COLUMNS.get(name, name): value for name, value in after.items()}
    found = {name: (_neutral(value), _neutral(now.get(name, "no such column"))) for name, value in before.items()}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _neutral(value: Any) -> Any:
    """Return a stored request with its current field names: the quality used to be called `preset`."""
    if isinstance(value, dict) and "preset" in value:
        return {**{name: found for name, found in value.items() if name != "preset"}, "quality": value["preset"]}
    return value


def messages(broker: redis.Redis) -> dict[str, list[tuple[str, str, int]]]:
    """Return the messages of waiting jobs: (queue with its priority, task, run) by job ID."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    for key, raw in _messages(broker):
        task = json.loads(raw)["headers"]["task"]
        arguments = json.loads(_body(raw))[0]
        if len(arguments) > 1:
            found.setdefault(arguments[0], []).append((key, task, arguments[1]))
    return found


def _messages(broker: redis.Redis) -> list[tuple[str, bytes]]:
    keys = [key.decode() for key in broker.scan_iter(_type="list")]
    return [(key, raw) for key in sorted(keys) for raw in reversed(broker.lrange(key, 0, -1))]


def _body(raw: bytes) -> str:
    return base64.b64decode(json.loads(raw)["body"]).decode()


def _id(address: str) -> str:
    """Return the ID at the end of /jobs/<id>/ or /batches/<id>/."""
    return address.rstrip("/").rpartition("/")[2]


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) == 36 and value.count("-") == 4
