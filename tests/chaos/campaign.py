"""Plays a plan on a world: strikes, waits for the clips, checks, and keeps count."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from generation.domain.states import Stage, Status
from tests.chaos import checks
from tests.chaos.plan import Planned, Round
from tests.chaos.prober import Prober
from tests.chaos.world import NotNow, World

STRIKE_SECONDS, ALONE_AFTER_SECONDS = 60, 10
CLIP_SECONDS = 240
PURGED_SECONDS = 150  # a purge that crashed goes on within a minute, if its message was lost, too
SHAPES: tuple[Mapping[str, object], ...] = (
    {"prompt": "a red heart rising over the sea", "size": "128x128", "seconds": 1, "fps": 16, "steps": 2, "seed": 3},
    {"prompt": "a blue star spinning on black", "size": "256x256", "seconds": 2, "fps": 16, "steps": 2, "seed": 4},
    {"prompt": "a green cross at sunset", "size": "128x192", "seconds": 1, "fps": 8, "steps": 4, "seed": 5},
    {
        "prompt": "a pink square growing",
        "size": "128x128",
        "seconds": 2,
        "fps": 24,
        "steps": 1,
        "seed": 6,
        "format": "webm",
    },
    {
        "prompt": "a cyan circle on grey",
        "size": "192x128",
        "seconds": 1,
        "fps": 16,
        "steps": 2,
        "seed": 7,
        "format": "gif",
    },
)
RETRY = """
from generation.models import Job
from generation.queue import services
print(services.retry(Job.objects.get(pk={job!r})))
"""


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass
class Tally:
    """What happened: by kind of fault, how often it struck or found nothing to hit; everything that went wrong."""

    struck: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    clips: int = 0
    answers: Counter[int | str] = field(default_factory=Counter)  # what the pages answered
    wrong: list[str] = field(default_factory=list)
    left_for_prune: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # until the last clip of a round was done, after its last fault


class Campaign:
    """One campaign.

    Args:
        world: started, without clips.
        shapes: what is asked for.
        say: prints a line.
    """

    def __init__(
        self, world: World, shapes: Sequence[Mapping[str, object]] = SHAPES, say: Callable[[str], object] = _print
    ) -> None:
        self.world, self.shapes, self.say = world, shapes, say
        self.tally = Tally()
        self.undisturbed: list[list[str]] = []  # by shape: the digest of its video in each memory mode

    def run(self, plan: Sequence[Round]) -> Tally:
        """Play every round. Return what happened."""
        self._render_undisturbed()
        if any(fault.kind.name.startswith("an engine runs out of memory") for one in plan for fault in one.faults):
            self._render_in_little_memory()
        with checks.Timeline(self.world) as timeline, Prober(self.world) as prober:
            for number, one in enumerate(plan, 1):
                self.say(f"round {number} of {len(plan)}")
                self._play(one)
        self.tally.answers = prober.answers
        self.tally.wrong += [*timeline.wrong, *prober.wrong]
        self._look_at_what_is_left()
        return self.tally

    def _render_undisturbed(self) -> None:
        jobs = [self.world.submit(shape, asked, "calm") for shape, asked in enumerate(self.shapes)]
        self.undisturbed = [self._only_video(job) for job in jobs]

    def _render_in_little_memory(self) -> None:
        """Add what becomes of the shapes in the next memory mode.

        It decodes frames one by one instead of four at once, which changes one value in 100,000 by one. A worker stays
        in that mode for a while after its memory ran out.
        """
        for shape, asked in enumerate(self.shapes):
            self.world.trouble.order(Stage.GENERATE, "oom")
            self.undisturbed[shape] += self._only_video(self.world.submit(shape, asked, "calm"))
        self.world.trouble.forget()

    def _only_video(self, job: str) -> list[str]:
        """Wait until a clip that nothing disturbs is done. Return the digest of its video."""
        self.world.until(lambda: self.world.status(job) in ("done", "failed"), "an undisturbed clip never ended")
        found = checks.fingerprints(self.world, job)
        assert len(found) == 1, (job, found)
        self.world.finished.append(job)
        return found

    # --- A round ------------------------------------------------------------------------------------------------------

    def _play(self, one: Round) -> None:
        self.waiting = list(one.clips)
        self.current: list[str] = []
        allowed = {error for fault in one.faults for error in fault.kind.fails}
        with ExitStack() as lasting:
            for fault in one.faults:
                self._strike(fault, lasting)
        while self.waiting:
            self._submit()
        start = time.monotonic()
        for job in self.current:
            self._wait_for(job, allowed)
        self.tally.seconds.append(time.monotonic() - start)
        self._check(one)

    def _submit(self) -> None:
        """Submit the round's next clip; another one if all are there."""
        shape = self.waiting.pop(0) if self.waiting else len(self.current) % len(self.shapes)
        job = self.world.submit(shape, self.shapes[shape], f"user{len(self.world.jobs) % 3}")
        self.current.append(job)
        self.tally.clips += 1

    def _strike(self, fault: Planned, lasting: ExitStack) -> None:
        """Make a fault happen as soon as there is something to hit; after a while, without those that still last."""
        start = time.monotonic()
        while time.monotonic() - start < STRIKE_SECONDS:
            if time.monotonic() - start > ALONE_AFTER_SECONDS:
                lasting.close()
            try:
                self._make_ahead(fault, lasting)
                block = fault.kind.act(self.world, fault)
            except NotNow:
                time.sleep(0.05)
                continue
            self.say(f"  {fault}")
            self.tally.struck[fault.kind.name] += 1
            if block is not None:
                lasting.enter_context(block)
                if not fault.overlaps:
                    time.sleep(fault.seconds)
                    lasting.close()
            return
        self.say(f"  nothing to hit: {fault}")
        self.tally.missed[fault.kind.name] += 1

    def _make_ahead(self, fault: Planned, lasting: ExitStack) -> None:
        """Make sure that a clip will come to the stage. What lasts may forbid that, so it ends first."""
        if not self.world.has_ahead(fault.stage):
            lasting.close()
            self._submit()

    def _wait_for(self, job: str, allowed: set[str]) -> None:
        deadline = time.monotonic() + CLIP_SECONDS
        while time.monotonic() < deadline:
            ((status, error),) = self.world.rows(
                "SELECT status, error_id FROM generation_job WHERE id = ?", self.world.key(job)
            )
            if status == Status.DONE:
                return
            if status == Status.CANCELLED and job in self.world.cancelled:
                self.world.site.python(RETRY.format(job=job))
            elif status == Status.FAILED and error in allowed:
                self.tally.retried += 1
                self.world.site.python(RETRY.format(job=job))
            elif status in (Status.FAILED, Status.CANCELLED):
                self._wrong(f"{job} ended as {status}, {error}")
                return
            time.sleep(0.2)
        self._wrong(f"{job} never ended: {self.world.history(job)}")

    def _wrong(self, text: str) -> None:
        self.say(f"  WRONG: {text}")
        self.tally.wrong.append(text)

    def _check(self, one: Round) -> None:
        reasons = {reason for fault in one.faults for reason in fault.kind.costs}
        reasons |= {"failed" for fault in one.faults if fault.kind.fails}
        for job in self.current:
            for text in checks.wrong_attempts(self.world, job, reasons, one.is_of_outages):
                self._wrong(f"{job}: {text}")
            for unit in checks.at_once(self.world, job):
                self._wrong(f"{job}: {unit} ran twice at once: {self.world.history(job)}")
            self.tally.attempts.update(reason for _stage, _chunk, reason in checks.attempts(self.world, job))
            if self.world.status(job) == Status.DONE:
                found = checks.fingerprints(self.world, job)
                if len(found) != 1 or found[0] not in self.undisturbed[self.world.jobs[job]]:
                    self._wrong(f"{job}: {len(found)} videos, not equal to an undisturbed one")
                self.world.finished.append(job)

    # --- Afterwards ---------------------------------------------------------------------------------------------------

    def _look_at_what_is_left(self) -> None:
        """Compare files and rows once the scheduled cleaning has had its turn."""
        self.tally.left_for_prune.update({what: len(keys) for what, keys in checks.left_behind(self.world).items()})
        done = self.world.site.manage("prune", "--delete")
        if done.returncode:
            self._wrong(f"prune failed: {done.stderr[-2000:]}")
        for what, keys in checks.left_behind(self.world).items():
            self._wrong(f"{what}: {keys[:5]} ({len(keys)})")
        deadline = time.monotonic() + PURGED_SECONDS
        while (still := self._deleted_and_there()) and time.monotonic() < deadline:
            time.sleep(1)
        for job in still:
            self._wrong(f"{job} was deleted and is still there")

    def _deleted_and_there(self) -> list[str]:
        """Return the jobs whose clips were deleted for good and still have a row."""
        find = "SELECT 1 FROM gallery_video WHERE job_id = ?"
        return [job for job in self.world.deleted if self.world.rows(find, self.world.key(job))]
