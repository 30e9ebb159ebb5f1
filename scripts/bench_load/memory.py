"""The memory of the web processes."""

import argparse
import asyncio
from collections.abc import Iterator

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
    web_processes,
)
from tests.rigs.crew import Crew
from tests.site import Site


def memory(options: argparse.Namespace) -> Iterator[str]:
    """Resident memory of the web processes while clips with empty stages go by, watched by ten pages."""
    with running_site(options) as site, Crew(site) as crew:
        people = make_users(site, 10)
        for queue in QUEUES:
            crew.start(queue, queue, wait=False, LIGHT_STAGES="none")
        crew.until(lambda: len(crew.members()) == len(QUEUES), "the workers did not join")
        yield asyncio.run(_memory(site, options, people))


async def _memory(site: Site, options: argparse.Namespace, people: list) -> str:
    tasks = await open_pages(site, [Watcher(session, []) for _user, session in people])
    total = options.memory_clips
    marks, found, done = [0, total // 10, total // 2, total], [], 0
    for mark in marks:
        for user, _session in people if mark > done else []:
            code = SUBMIT.format(clip=CLIP, user=user, count=(mark - done) // len(people))
            await asyncio.to_thread(site.python, code)
        while site.rows(UNFINISHED) != [(0,)]:
            await asyncio.sleep(0.2)
        done = mark
        found.append([process.memory_info().rss / 1e6 for process in web_processes(site)])
    hang_up(tasks)
    each = (
        f"{mark} clips {' + '.join(f'{mb:.0f}' for mb in megabytes)} MB"
        for mark, megabytes in zip(marks, found, strict=True)
    )
    return "memory of the web processes: " + "; ".join(each)
