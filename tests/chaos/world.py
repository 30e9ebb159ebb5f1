"""A whole site for the campaign: pages, scheduler, Redis, database, storage, and a real worker for each queue.

Workers run the real tiny models (tests/rigs/troubled_worker.py). A keeper starts again what a fault has ended, as
systemd and containers do.
"""

import json
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from uuid import UUID

import pytest
import redis

from generation.domain.stages import QUEUES, STAGES
from generation.domain.states import Stage
from tests.chaos.member import Member, Variables
from tests.rigs.memory_limit import MemoryLimit
from tests.rigs.small_disk import Disk
from tests.rigs.trouble import Trouble
from tests.site import Site

PATIENCE = 240.0  # seconds; limits what waits for a clip
KEEPER_SECONDS = 0.5
WORKER_MEGABYTES = 2000
# Short, so that a campaign takes an hour: a lost claim is noticed after 6 seconds instead of 60.
QUICK = {
    "AURAVIDEO_LOST_AFTER": "6",
    "AURAVIDEO_HANG_AFTER": "8",
    "AURAVIDEO_LOAD_WITHIN": "30",
    "AURAVIDEO_CANCEL_WITHIN": "8",
    "AURAVIDEO_MIN_FREE_MB": "2",
    "AURAVIDEO_UNDO_MINUTES": "0",
    "AURAVIDEO_ANSWER_WITHIN": "6",
}
SUBMIT = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
user, _ = User.objects.get_or_create(username={name!r}, email="{name}@example.org")
print(services.submit(user, parse({asked!r}, available.catalogue(), available.limits())).pk)
"""


class NotNow(Exception):
    """There is nothing that a fault could hit."""


class World:
    """The site, and what faults and checks need of it.

    Args:
        folder: for everything that it writes.

    Attributes:
        has: what it has of what faults need (see `Kind.needs`).
        lacks: what this machine cannot give it, and why.
        limits: the limit of memory of each queue's worker, far above what it needs; none without memory cgroups.
    """

    has: frozenset[str] = frozenset()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.trouble = Trouble(folder / "trouble")
        self.site: Site
        self.members: dict[str, Member] = {}
        self.jobs: dict[str, int] = {}  # every clip so far, and its shape
        self.finished: list[str] = []  # those that have passed every check and may be deleted
        self.deleted: list[str] = []
        self.cancelled: set[str] = set()  # jobs whose owners could not take them up again at once
        self.lacks: dict[str, str] = {}
        self.limits: dict[str, MemoryLimit] = {}
        self._keeping = threading.Event()

    # --- To start and stop --------------------------------------------------------------------------------------------

    def start_workers(self, variables: Callable[[str], Variables] = lambda _queue: {}) -> None:
        """Start a worker for each queue, and keep them up; `variables(queue)` are more of its environment."""
        self._limit_memory()
        for queue in QUEUES:
            self.members[queue] = Member(self, queue, variables(queue))
            self.members[queue].start()
        self._keeping.set()
        threading.Thread(target=self._keep, name="keeper", daemon=True).start()
        self.until(lambda: len(self.living_workers()) == len(QUEUES), "a worker did not join")

    def _limit_memory(self) -> None:
        limits = {queue: MemoryLimit(WORKER_MEGABYTES) for queue in QUEUES}
        try:
            for queue, limit in limits.items():
                self.limits[queue] = limit.__enter__()
            self.has |= {"cgroups"}
        except pytest.skip.Exception as reason:
            self.lacks["cgroups"] = str(reason)

    def _keep(self) -> None:
        while self._keeping.is_set():
            for member in self.members.values():
                member.keep()
            time.sleep(KEEPER_SECONDS)

    def stop_workers(self) -> None:
        """Stop them as an operator would; kill what does not end in time."""
        self._keeping.clear()
        time.sleep(2 * KEEPER_SECONDS)
        for member in self.members.values():
            member.popen.terminate()
        for member in self.members.values():
            with suppress(subprocess.TimeoutExpired):
                member.popen.wait(40)
            member.kill()
        for limit in self.limits.values():
            limit.__exit__()

    # --- To look ------------------------------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Return rows of the database, whatever is cut or locked for the site."""
        for _ in range(20):
            with suppress(sqlite3.OperationalError), closing(self._database()) as database:
                return database.execute(query, values).fetchall()
            time.sleep(0.5)
        raise AssertionError("the database is locked")

    def _database(self) -> sqlite3.Connection:
        address = f"file:{self.home / 'db.sqlite3'}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=20)

    def key(self, job: str) -> object:
        """Return a job's ID as the database spells it."""
        return UUID(job).hex

    def status(self, job: str) -> str:
        ((status,),) = self.rows("SELECT status FROM generation_job WHERE id = ?", self.key(job))
        return status

    def active(self) -> list[str]:
        found = self.rows("SELECT id FROM generation_job WHERE status IN ('queued', 'running')")
        return [str(UUID(str(row[0]))) for row in found]

    def history(self, job: str) -> list[tuple]:
        """Return what a job has been through, for a message."""
        job_query = "SELECT status, run, error_id, warnings FROM generation_job WHERE id = ?"
        runs = "SELECT run, stage, chunk, status, error, started_at, ended_at FROM generation_stagerun WHERE job_id = ?"
        return [*self.rows(job_query, self.key(job)), *self.rows(f"{runs} ORDER BY started_at", self.key(job))]

    def living_workers(self) -> list[str]:
        done = self.site.manage("workers", "--json")
        return [member["name"] for member in json.loads(done.stdout)] if done.returncode == 0 else []

    def running(self, stage: Stage) -> tuple[str, int] | None:
        """Return the job and the process of one that runs a stage."""
        query = "SELECT job_id, worker FROM generation_stagerun WHERE stage = ? AND status = 'running'"
        for job, worker in self.rows(query, stage.value):
            pid = int(worker.rpartition(":")[2])
            if Path(f"/proc/{pid}").exists():
                return str(UUID(str(job))), pid
        return None

    def has_ahead(self, stage: Stage) -> bool:
        """Return whether a clip that has not ended still has some of a stage before it."""
        query = "SELECT count(*) FROM generation_stagerun WHERE job_id = ? AND stage = ? AND status = 'done'"
        for job in self.active():
            ((plan,),) = self.rows("SELECT plan FROM generation_job WHERE id = ?", self.key(job))
            plan = json.loads(plan) if isinstance(plan, str) else plan
            count = len(plan["chunks"]) if STAGES[stage].per_chunk else 1
            if stage in plan["stages"] and self.rows(query, self.key(job), stage.value)[0][0] < count:
                return True
        return False

    def is_ready(self) -> bool:
        """Return whether the site could start again: database and Redis answer."""
        try:
            with urllib.request.urlopen(f"{self.site.url}/healthz", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def until(self, is_so: Callable[[], object], otherwise: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not is_so():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.1)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    # --- To act -------------------------------------------------------------------------------------------------------

    def submit(self, shape: int, asked: Mapping[str, object], user: str) -> str:
        job = self.site.python(SUBMIT.format(name=user, asked=dict(asked)))
        self.jobs[job] = shape
        return job

    def ask(self, code: str) -> str:
        """Return what `code` prints in the site's own Django. Raises NotNow while that is cut off from the database."""
        try:
            return self.site.python(code)
        except AssertionError as error:
            if "OperationalError" not in str(error) and "InterfaceError" not in str(error):
                raise
            raise NotNow from error

    def take_finished(self) -> str:
        """Return a finished clip that a fault may delete."""
        if not self.finished:
            raise NotNow
        self.deleted.append(self.finished.pop())
        return self.deleted[-1]

    def give_back(self) -> None:
        """Undo `take_finished`: the clip could not be deleted yet."""
        self.finished.append(self.deleted.pop())

    def member_of(self, stage: Stage) -> Member:
        return self.members[STAGES[stage].queue]

    def processes_of(self, *words: str) -> list[int]:
        """Return the site's processes whose command has all of `words` in it."""
        found = []
        for pid in self.site.processes():
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if all(word in command for word in words):
                    found.append(pid)
        return found

    @property
    def redis(self) -> redis.Redis:
        """Return a client of the site's Redis, past every wire."""
        raise NotImplementedError

    def chunks(self, job: str, stage: Stage) -> list[str]:
        """Return the keys of the frames that a stage of a job has stored."""
        raise NotImplementedError

    def read(self, key: str) -> bytes:
        raise NotImplementedError

    def write(self, key: str, content: bytes) -> None:
        raise NotImplementedError

    def remove(self, key: str) -> None:
        raise NotImplementedError


class OneMachine(World):
    """Everything in one folder, as `make run` has it: SQLite, a private Redis, and folders on small disks (tmpfs)."""

    has = frozenset({"disks", "local redis", "sqlite"})

    def __enter__(self) -> "OneMachine":
        self.disk = Disk(self.home / "frames", self.home / "media", megabytes=64)
        self.disk.__enter__()
        self.site = Site(self.home, queues="", **QUICK)
        self.site.start()
        self.start_workers()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_workers()
        try:
            self.site.stop()
        finally:
            self.disk.__exit__()

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.home / "redis" / "redis.sock"), socket_timeout=5)

    def chunks(self, job: str, stage: Stage) -> list[str]:
        return [str(path) for path in sorted((self.home / "frames" / "jobs" / job / stage).glob("*.safetensors"))]

    def read(self, key: str) -> bytes:
        return Path(key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        Path(key).write_bytes(content)

    def remove(self, key: str) -> None:
        Path(key).unlink()
