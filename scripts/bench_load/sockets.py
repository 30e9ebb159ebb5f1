"""Events to the sockets of many users, to many sockets of one user, and many connections at once."""

import argparse
import asyncio
import json
import math
import statistics
import threading
import time
from collections.abc import Iterator

import msgpack  # type: ignore[import-untyped]  # publishes no types

from scripts.bench_load.crowd import (
    ADVANCE,
    CHANNEL,
    CLIP,
    QUEUES,
    SETTLE,
    SUBMIT,
    UNFINISHED,
    Row,
    Seen,
    Watcher,
    hang_up,
    make_jobs,
    make_users,
    open_pages,
    processor_seconds,
    redis_of,
    running_site,
)
from tests.rigs.crew import Crew
from tests.rigs.many_browsers import at
from tests.site import Site


def events(options: argparse.Namespace) -> Iterator[Row]:
    """One socket of each of many users, each with a running clip, and events to them in turn."""
    with running_site(options) as site:
        people = make_users(site, options.users)
        jobs = make_jobs(site, [user for user, _session in people])
        yield from asyncio.run(_events(site, options, people, jobs))


async def _events(site: Site, options: argparse.Namespace, people: list, jobs: dict[int, str]) -> list[Row]:
    watchers = {user: Watcher(session, [jobs[user]]) for user, session in people}
    tasks = await open_pages(site, list(watchers.values()))
    publisher, rows, step = Publisher(site), [], 0
    for rate in map(float, options.rates.split(",")):
        used, began = processor_seconds(site), time.monotonic()
        sent, step = await _publish(site, publisher, jobs, rate, options.seconds, step)
        await asyncio.sleep(SETTLE)
        delays = [watchers[user].delay(jobs[user], state, when) for user, state, when in sent]
        busy = (processor_seconds(site) - used) / (time.monotonic() - began)
        seen = [delay for delay in delays if delay is not None]
        what = f"{len(people)} sockets of as many users, {rate:g} events/s"
        last = {user: state for user, state, _when in sent}
        missed = sum(watchers[user].delay(jobs[user], state, 0) is None for user, state in last.items())
        rows.append(Row(what, seen, len(delays) - len(seen), f"last events lost: {missed}; site {busy:.0%} of a core"))
    hang_up(tasks)
    return rows


class Publisher:
    """Publishes events through the site's Redis as its workers do."""

    def __init__(self, site: Site) -> None:
        self._redis = redis_of(site)

    def publish(self, user: int, job: str) -> None:
        self._redis.publish(CHANNEL.format(user), msgpack.packb({"type": "jobs.changed", "jobs": [job]}))


async def _publish(
    site: Site, publisher: Publisher, jobs: dict[int, str], rate: float, seconds: float, step: int
) -> tuple[list[tuple[int, Seen, float]], int]:
    """Send events to the users in turn. All clips advance together, every half second, so that none is slowed by it."""
    sent: list[tuple[int, Seen, float]] = []
    users, started, count = list(jobs), time.monotonic(), int(rate * seconds)
    advanced, state = -math.inf, (0, 0)
    for n in range(count):
        due = started + n / rate
        if due - advanced >= 0.5:
            step, advanced = step + 1, due
            code = ADVANCE.format(step=step, total=400, job=jobs[users[0]])
            state = tuple(json.loads(await asyncio.to_thread(site.python, code)))
        await at(due)
        user = users[n % len(users)]
        sent.append((user, state, time.monotonic()))
        publisher.publish(user, jobs[user])
    return sent, step


class Listener(threading.Thread):
    """Notes every event of a user: when it was published, and the state of its jobs just after."""

    def __init__(self, site: Site, user: int) -> None:
        super().__init__(daemon=True)
        self._pubsub = redis_of(site).pubsub()
        self._pubsub.subscribe(CHANNEL.format(user))
        self._site = site
        self._ending = threading.Event()
        self.heard: list[tuple[str, int, float]] = []

    def run(self) -> None:
        while not self._ending.is_set():
            message = self._pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2)
            if not message:
                continue
            now = time.monotonic()
            for job in msgpack.unpackb(message["data"]).get("jobs", []):
                rows = self._site.rows("SELECT version FROM generation_job WHERE id = ?", job.replace("-", ""))
                self.heard += [(job, version, now) for (version,) in rows]

    def stop(self) -> None:
        self._ending.set()
        self.join()


def one_user(options: argparse.Namespace) -> Iterator[Row]:
    """Many pages of one user, who has clips rendered meanwhile."""
    with running_site(options) as site, Crew(site) as crew:
        ((user, session),) = make_users(site, 1)
        site.python(SUBMIT.format(clip=CLIP, user=user, count=options.clips))
        jobs = [job for (job,) in site.rows("SELECT id FROM generation_job")]
        names = [f"{job[:8]}-{job[8:12]}-{job[12:16]}-{job[16:20]}-{job[20:]}" for job in jobs]
        yield from asyncio.run(_one_user(crew, options, user, session, names))


async def _one_user(crew: Crew, options: argparse.Namespace, user: int, session: str, jobs: list[str]) -> list[Row]:
    site = crew.site
    watchers = [Watcher(session, jobs) for _ in range(options.sockets)]
    tasks = await open_pages(site, watchers)
    listener = Listener(site, user)
    listener.start()
    for queue in QUEUES:
        crew.start(queue, queue, wait=False, LIGHT_SECONDS="2")
    used, began = processor_seconds(site), time.monotonic()
    while site.rows(UNFINISHED) != [(0,)] and time.monotonic() - began < 180:
        await asyncio.sleep(0.2)
    busy = (processor_seconds(site) - used) / (time.monotonic() - began)
    await asyncio.sleep(SETTLE)
    listener.stop()
    delays, lost, wrong = [], 0, 0
    for watcher in watchers:
        for job, version, when in listener.heard:
            # Progress does not raise the version: such an event is seen with the next message about the job.
            times = [at for (seen, _permille), at in watcher.shown.get(job, []) if seen >= version and at >= when]
            lost += not times
            delays += [(min(times) - when) * 1000] if times else []
        ends = {job: version for job, version in _versions(site).items() if job in jobs}
        wrong += any(max(s for (s, _), _ in watcher.shown.get(job, [((0, 0), 0)])) < v for job, v in ends.items())
    sent = statistics.mean(watcher.messages for watcher in watchers)
    notes = f"pages wrong at the end: {wrong}; {sent:.0f} messages a page; site {busy:.0%} of a core"
    hang_up(tasks)
    return [Row(f"{len(watchers)} sockets of one user, {len(jobs)} clips rendered", delays, lost, notes)]


def _versions(site: Site) -> dict[str, int]:
    rows = site.rows("SELECT id, version FROM generation_job")
    return {f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}": version for i, version in rows}


def connects(options: argparse.Namespace) -> Iterator[Row]:
    """Many pages at once, of one user each: from the connection to the first state."""
    with running_site(options) as site:
        people = make_users(site, options.connects)
        jobs = make_jobs(site, [user for user, _session in people])
        yield asyncio.run(_connects(site, people, jobs))


async def _connects(site: Site, people: list, jobs: dict[int, str]) -> Row:
    warm = await open_pages(site, [Watcher(people[0][1], [])])
    watchers = [Watcher(session, [jobs[user]]) for user, session in people]
    began = time.monotonic()
    tasks = await open_pages(site, watchers, at_once=len(watchers))
    delays = [(watcher.first - began) * 1000 for watcher in watchers if watcher.first < math.inf]
    hang_up([*tasks, *warm])
    return Row(f"{len(people)} connects at once, to the first state", delays, len(people) - len(delays))
