"""The memory of every process of a site while many clips go by: it must not grow with their number."""

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import psutil

from scripts.bench_load.crowd import (
    CLIP,
    QUEUES,
    SUBMIT,
    UNFINISHED,
    Watcher,
    hang_up,
    make_users,
    open_pages,
    running_site,
)
from tests.rigs.crew import Crew
from tests.site import Site

# What a process is, by a part of its command; workers are told by their queues.
KINDS = {
    "auravideo.asgi": "web",
    "manage.py scheduler": "scheduler",
    "manage.py serve": "serve",
    "redis-server": "Redis",
}
PEOPLE = 10
TINY_CLIP = {"prompt": "a red heart", "seconds": 1, "fps": 16, "size": "128x128", "steps": 1}


def memory(options: argparse.Namespace) -> Iterator[str]:
    """Resident memory of a site's processes while ten pages watch clips go by, with empty stages or the tiny models."""
    with running_site(options, only=None) as site, Crew(site) as crew:
        people = make_users(site, PEOPLE)
        for queue in QUEUES:
            if options.memory_models == "tiny":
                trouble = str(site.home / "no-trouble")
                crew.start(queue, queue, wait=False, rig="troubled_worker", CHAOS_TROUBLE=trouble)
            else:
                crew.start(queue, queue, wait=False, LIGHT_STAGES="none")
        crew.until(lambda: len(crew.members()) == len(QUEUES), "the workers did not join")
        yield from asyncio.run(_memory(site, options, people))


async def _memory(site: Site, options: argparse.Namespace, people: list) -> list[str]:
    tasks = await open_pages(site, [Watcher(session, []) for _user, session in people])
    total = max(PEOPLE * 10, options.memory_clips)
    clip = TINY_CLIP if options.memory_models == "tiny" else CLIP
    marks, found, done = [0, total // 10, total // 2, total], [], 0
    for mark in marks:
        for user, _session in people if mark > done else []:
            code = SUBMIT.format(clip=clip, user=user, count=(mark - done) // len(people))
            await asyncio.to_thread(site.python, code)
        while site.rows(UNFINISHED) != [(0,)]:
            await asyncio.sleep(0.2)
        done = mark
        found.append(megabytes(site.processes()))
    hang_up(tasks)
    return table(marks, found)


def megabytes(pids: Sequence[int]) -> dict[str, float]:
    """Return the resident memory of processes, added up by kind."""
    found: dict[str, float] = defaultdict(float)
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if kind := _kind(process.cmdline()):
                found[kind] += process.memory_info().rss / 1e6
    return dict(found)


def _kind(command: Sequence[str]) -> str:
    line = " ".join(command)
    if "_worker" in line and "-Q" in command:
        return f"worker {command[command.index('-Q') + 1]}"
    return next((kind for part, kind in KINDS.items() if part in line), "")


def table(marks: Sequence[int], found: Sequence[Mapping[str, float]]) -> list[str]:
    """Return a line per kind: its megabytes at each mark, and by how much it grew after the first clips."""
    lines = [f"resident memory in MB after {', '.join(map(str, marks))} clips"]
    for kind in sorted(found[-1]):
        values = [one.get(kind, 0.0) for one in found]
        growth = values[-1] / values[1] - 1 if values[1] else 0.0
        lines.append(f"  {kind:<20}{''.join(f'{value:>8.0f}' for value in values)}{growth:>+9.1%} since {marks[1]}")
    return lines
