"""A site to put under load, people with open pages, and the lines of the table."""

import argparse
import asyncio
import json
import math
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from tests.rigs.many_browsers import Socket
from tests.site import Site

QUEUES = ("cpu", "generate", "interpolate", "upscale")
CLIP = {"prompt": "a red heart", "seconds": 1, "fps": 24, "size": "128x128"}  # one chunk, all five stages
MAX_ACTIVE = "100000"
SETTLE = 5.0  # seconds to wait for the last events
CHANNEL = "asgi__group__user-{}"  # as generation/queue/events.py spells it
ARTICLE = re.compile(r'<article id="job-([0-9a-f-]+)" class="job" data-version="(\d+)" data-progress="(\d+)"')

Seen = tuple[int, int]  # version and permille of a job; what is later compares greater

MAKE_USERS = """
import json
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
found = []
for n in range({count}):
    user = User.objects.create(username=f"u{{n}}", email=f"u{{n}}@example.org")
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    found.append((user.pk, session.session_key))
print(json.dumps(found))
"""
# One running job a user, as after `preprocess`, whose progress `ADVANCE` moves.
MAKE_JOBS = """
import json
from accounts.models import User
from generation.domain.states import Stage
from generation.queue import claims
from tests.factories import JobFactory
found = {{}}
for user in User.objects.filter(pk__in={users}):
    job = JobFactory.create(user=user)
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "bench"), {{}})
    claims.claim(job.pk, 1, Stage.GENERATE, 0, "bench")
    found[user.pk] = str(job.pk)
print(json.dumps(found))
"""
ADVANCE = """
import json
from generation.jobs import selectors
from generation.models import Job, StageRun
StageRun.objects.filter(stage="generate").update(done={step}, total={total})
job = Job.objects.get(pk={job!r})
print(json.dumps([job.version, selectors.progress_of(job).permille]))
"""
SUBMIT = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
clip = parse({clip!r}, available.catalogue(), available.limits())
user = User.objects.get(pk={user})
for _ in range({count}):
    services.submit(user, clip)
"""
UNFINISHED = "SELECT COUNT(*) FROM generation_job WHERE status NOT IN ('done', 'failed', 'cancelled')"


@dataclass
class Row:
    """One line of the table."""

    what: str
    milliseconds: Sequence[float]
    lost: int = 0
    notes: str = ""

    def __str__(self) -> str:
        found = sorted(self.milliseconds)
        shares = [found[math.ceil(share * len(found)) - 1] if found else math.nan for share in (0.5, 0.99, 1.0)]
        return (
            f"{self.what:<54}{len(found):>7}"
            + "".join(f"{ms:>8.0f}" for ms in shares)
            + f"{self.lost:>6}  {self.notes}"
        )


@dataclass
class Watcher:
    """One open page: when it first showed each state of each job."""

    session: str
    jobs: Sequence[str]
    shown: dict[str, list[tuple[Seen, float]]] = field(default_factory=dict)
    first: float = math.inf  # when the first message came
    messages: int = 0
    octets: int = 0
    code: int = 0

    async def watch(self, port: int) -> None:
        try:
            self.socket = await Socket.open(port, self.session, f"jobs={','.join(self.jobs)}&language=en")
        except (OSError, asyncio.IncompleteReadError):
            return
        async for message in self.socket:
            now = time.monotonic()
            self.first = min(self.first, now)
            self.messages += 1
            self.octets += len(message)
            for job, version, permille in ARTICLE.findall(message):
                self.shown.setdefault(job, []).append(((int(version), int(permille)), now))
        self.code = self.socket.code

    def delay(self, job: str, state: Seen, since: float) -> float | None:
        """Return milliseconds from `since` until the page showed this state or a later one; None if it never did."""
        times = [when for seen, when in self.shown.get(job, []) if seen >= state]
        return max(0.0, min(times) - since) * 1000 if times else None


@contextmanager
def running_site(options: argparse.Namespace, only: str | None = "web,workers") -> Iterator[Site]:
    home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
    variables = {"AURAVIDEO_MAX_ACTIVE_JOBS": MAX_ACTIVE, "AURAVIDEO_WEB_PROCESSES": options.web_processes}
    site = Site(home, queues="", only=only, **variables)
    try:
        site.start()
        if options.hold:
            print("web processes:", *(process.pid for process in web_processes(site)), flush=True)
        yield site
    finally:
        site.stop()
        _print_errors(site.log.read_text())
        shutil.rmtree(home, ignore_errors=True)


def _print_errors(log: str) -> None:
    lines = [line for line in log.splitlines() if "ERROR" in line or "Traceback" in line or "WARNING" in line]
    print(*lines[:5], sep="\n", end="\n" if lines else "")


def web_processes(site: Site) -> list[psutil.Process]:
    found = [psutil.Process(pid) for pid in site.processes()]
    return [process for process in found if "auravideo.asgi:application" in process.cmdline()]


def processor_seconds(site: Site) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in web_processes(site))


def make_users(site: Site, count: int) -> list[tuple[int, str]]:
    return [tuple(pair) for pair in json.loads(site.python(MAKE_USERS.format(count=count)))]


def make_jobs(site: Site, users: Sequence[int]) -> dict[int, str]:
    return {int(user): job for user, job in json.loads(site.python(MAKE_JOBS.format(users=list(users)))).items()}


def redis_of(site: Site) -> redis.Redis:
    return redis.Redis.from_url(site.python("from django.conf import settings; print(settings.REDIS_EVENTS_URL)"))


async def open_pages(site: Site, watchers: Sequence[Watcher], at_once: int = 10) -> list[asyncio.Task]:
    """Open the pages, a few at a time, and return once each has its first message."""
    tasks = []
    for start in range(0, len(watchers), at_once):
        group = watchers[start : start + at_once]
        tasks += [asyncio.create_task(watcher.watch(site.port)) for watcher in group]
        deadline = time.monotonic() + 60
        while any(watcher.first == math.inf for watcher in group) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    return tasks


def hang_up(tasks: Sequence[asyncio.Task]) -> None:
    for task in tasks:
        task.cancel()
