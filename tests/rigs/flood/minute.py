"""A stranger's worst minute: a site that renders, strangers who ask it for all that costs, and one honest user."""

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle

from tests.rigs.flood import kinds
from tests.rigs.flood.kinds import ATTACKERS, Person
from tests.rigs.flood.sending import NO_ANSWER, Flood, Tally, flood, one_after_the_other
from tests.seeded import SeededSite

HONEST, THEIR_ADDRESS = "ada", "127.0.0.50"
EVERY = 0.2  # seconds, from one page of the honest user to the next
CLIPS_WITHIN = 120  # seconds after the flood, by which the honest user's clips have ended

_SUBMIT = """
from accounts.models import User
from generation.batches import variations
from generation.requests import available
from generation.requests.request import parse
user = User.objects.get(username={name!r})
wanted = parse({{"prompt": "a large red heart rising over the sea"}}, available.catalogue(), available.limits())
print(*(job.pk for job in variations.submit(user, [wanted] * {count})))
"""
STAGES = "select count(*) from generation_stagerun where status = 'done'"


@dataclass
class Minute:
    """What one flood did.

    Attributes:
        honest: the tallies of the honest user by page, during the flood; `before` while nobody else was there.
        stages: the stages of clips that ended during the flood.
        clips: the honest user's clips that were submitted before it, by their state when they had ended.
    """

    flood: Flood
    honest: dict[str, Tally]
    before: dict[str, Tally]
    stages: int
    clips: Counter[str] = field(default_factory=Counter)
    load: float = 0.0

    @property
    def person(self) -> Tally:
        return Flood(self.honest).all

    def table(self) -> str:
        """Return the figures in Markdown: what the stranger's requests came to, and how the honest user fared."""
        rows = ["| strangers' requests | sent | answered | p50 | p95 |", "|---|--:|---|--:|--:|"]
        rows += [_row(kind, tally) for kind, tally in sorted(self.flood.tallies.items())]
        rows += [_row("all", self.flood.all), "", "| honest user's pages | sent | answered | p50 | p95 | longest |"]
        rows += ["|---|--:|---|--:|--:|--:|"]
        for name, tallies in (("before", self.before), ("meanwhile", self.honest)):
            rows += [_row(f"{kind}, {name}", tally, longest=True) for kind, tally in tallies.items()]
            rows.append(_row(f"all, {name}", Flood(tallies).all, longest=True))
        clips = ", ".join(f"{count} {status}" for status, count in sorted(self.clips.items()))
        rows += ["", f"Stages of clips that ended meanwhile: {self.stages}. The honest user's clips: {clips}."]
        rows += [f"The rig fell behind by {1000 * self.flood.late:.0f} ms at most; load {self.load:.1f}."]
        return "\n".join(rows)


def _row(name: str, tally: Tally, longest: bool = False) -> str:
    answered = ", ".join(
        f"{count} × {status if status != NO_ANSWER else 'nothing'}" for status, count in sorted(tally.statuses.items())
    )
    times = [tally.percentile(50), tally.percentile(95), *([tally.percentile(100)] if longest else [])]
    return f"| {name} | {tally.sent:,} | {answered} | " + " | ".join(f"{1000 * t:.0f}" for t in times) + " |"


class Rig:
    """The site, filled with `public` videos and signed in to. The honest user submits `clips` before the flood."""

    def __init__(self, site: SeededSite, clips: int, public: int = kinds.PUBLIC) -> None:
        self.site, self.clips = site, clips
        kinds.fill(site, HONEST, public)
        self.attackers = [kinds.person(site, name, source) for name, source in ATTACKERS.items()]
        self.person: Person = kinds.person(site, HONEST, THEIR_ADDRESS)

    def run(self, rate: float, seconds: float, alone: float = 10) -> Minute:
        """Send the flood while the honest user goes on; return what became of both."""
        jobs = self.site.python(_SUBMIT.format(name=HONEST, count=self.clips)).split() if self.clips else []
        watched = jobs[0] if jobs else str(self.site.values["job_id"])
        found = asyncio.run(self._run(rate, seconds, alone, watched))
        found.load = os.getloadavg()[0]
        found.clips = self._ended(jobs) if jobs else Counter()
        return found

    async def _run(self, rate: float, seconds: float, alone: float, job: str) -> Minute:
        port, requests = self.site.port, kinds.mixed(self.site, self.attackers)
        before = await self._person(job, time.monotonic() + alone)
        stages = self.site.rows(STAGES)[0][0]
        meanwhile = asyncio.create_task(self._person(job, time.monotonic() + seconds))
        flooding = asyncio.create_task(flood(port, requests, rate, seconds))
        honest = await meanwhile
        stages = self.site.rows(STAGES)[0][0] - stages
        return Minute(await flooding, honest, before, stages)

    async def _person(self, job: str, until: float) -> dict[str, Tally]:
        pages = cycle(kinds.honest(self.person, job))
        return await one_after_the_other(self.site.port, pages, EVERY, lambda: time.monotonic() >= until)

    def _ended(self, jobs: list[str]) -> Counter[str]:
        """Return the states of the clips once all have ended, or after CLIPS_WITHIN seconds."""
        marks = ", ".join("?" * len(jobs))
        query = f"select status, count(*) from generation_job where id in ({marks}) group by status"
        deadline = time.monotonic() + CLIPS_WITHIN
        while True:
            found = Counter(dict(self.site.rows(query, *(job.replace("-", "") for job in jobs))))
            if not found.keys() & {"queued", "running"} or time.monotonic() > deadline:
                return found
            time.sleep(1)
