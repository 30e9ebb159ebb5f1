"""Clips submitted through the form."""

import argparse
import asyncio
import time
from collections.abc import Iterator

from scripts.bench_load.crowd import (
    Row,
    make_users,
    running_site,
)
from tests.html_forms import fields_of
from tests.rigs import many_browsers
from tests.rigs.many_browsers import at
from tests.site import Site


def submissions(options: argparse.Namespace) -> Iterator[Row]:
    """Clips submitted through the form, by 100 users with sessions and CSRF tokens."""
    with running_site(options) as site:
        people = make_users(site, 100)
        yield from asyncio.run(_submissions(site, options, people))


async def _submissions(site: Site, options: argparse.Namespace, people: list) -> list[Row]:
    browsers = []
    for _user, session in people:
        page = await many_browsers.request(site.port, "/create/?mode=simple", {"sessionid": session})
        cookies = {"sessionid": session, **page.cookies}
        browsers.append((cookies, {**fields_of(page.body, "create-form"), "prompt": "a red heart"}))
    started, tasks = time.monotonic(), []
    for n in range(int(options.submissions * options.minute)):
        due = started + n / options.submissions
        await at(due)
        tasks.append(asyncio.create_task(_submit(site, *browsers[n % len(browsers)], due)))
    answers = await asyncio.gather(*tasks)
    seconds = time.monotonic() - started
    queued = site.rows("SELECT COUNT(*) FROM generation_job")[0][0]
    rows = []
    for status in sorted({status for status, _milliseconds, _polite in answers}):
        found = [milliseconds for answered, milliseconds, _polite in answers if answered == status]
        impolite = sum(not polite for answered, _milliseconds, polite in answers if answered == status)
        what = {302: "accepted", 0: "no answer"}.get(status, f"answered {status}")
        notes = f"{len(found) / seconds:.1f}/s" + (f"; without Retry-After: {impolite}" if status >= 400 else "")
        rows.append(Row(f"{options.submissions:g} submissions/s: {what}", found, notes=notes))
    accepted = sum(status == 302 for status, _milliseconds, _polite in answers)
    rows[0].lost = accepted - queued
    return rows


async def _submit(site: Site, cookies: dict[str, str], form: dict[str, str], due: float) -> tuple[int, float, bool]:
    try:
        answer = await many_browsers.request(site.port, "/create/?mode=simple", cookies, form)
    except (OSError, asyncio.IncompleteReadError):
        return 0, (time.monotonic() - due) * 1000, False
    return answer.status, (time.monotonic() - due) * 1000, "retry-after" in answer.headers
