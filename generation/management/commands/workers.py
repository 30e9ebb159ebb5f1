"""Show the workers, and drain them."""

import json
import time
from typing import Any

import redis
from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from auravideo.commands import manage
from generation.domain.memory_classes import GB
from generation.domain.worker_notes import note_text
from generation.queue import roster
from generation.queue.monitoring import failing
from generation.queue.pausing import state
from generation.queue.roster import Member

WAIT_SECONDS = 0.5
_COLUMNS = ("NAME", "STATE", "QUEUES", "DEVICE", "MEMORY", "WARM", "DOING", "VERSION", "HEARD")


class Command(BaseCommand):
    help = (
        "Show the workers: where they run, what they hold and what they are doing. With --drain, a worker finishes its "
        "stage and takes no more, until --undrain."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="only these workers; required to drain")
        parser.add_argument("--json", action="store_true", help="print a list of objects; sizes in bytes")
        order = parser.add_mutually_exclusive_group()
        order.add_argument("--drain", action="store_true", help="let the named workers finish their stage, then rest")
        order.add_argument("--undrain", action="store_true", help="let the named workers take work again")
        parser.add_argument("--wait", action="store_true", help="with --drain: return when they have nothing left")

    def handle(self, *, names: list[str], drain: bool, undrain: bool, wait: bool, json: bool, **_options: Any) -> None:
        if wait and not drain:
            raise CommandError("--wait only makes sense with --drain.")
        if (drain or undrain) and not names:
            raise CommandError("Name the workers, as `manage.py workers` lists them.")
        _refuse_unknown(names)
        if drain:
            roster.drain(names)
        elif undrain:
            roster.undrain(names)
        while wait and any(member.state == "draining" for member in _chosen(names)):
            time.sleep(WAIT_SECONDS)
        self._print(_chosen(names), as_json=json)

    def _print(self, members: list[Member], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps([member.to_dict() for member in members], indent=2))
        elif members:
            for line in _table([_COLUMNS, *map(_row, members)]):
                self.stdout.write(line)
        else:
            self.stdout.write(f"No worker is there. Start some with: {manage('serve')}")
        if state.is_on():
            self.stderr.write(f"Rendering is paused. Resume it with: {manage('resume')}")
        for process in _failing():
            self.stderr.write(f"{process}; its supervisor goes on trying.")


def _failing() -> list[failing.Failing]:
    """Return the processes that their supervisors cannot keep running; none if Redis does not answer."""
    try:
        return failing.everywhere()
    except redis.RedisError:
        return []


def _chosen(names: list[str]) -> list[Member]:
    return [member for member in roster.members() if not names or member.worker.name in names]


def _refuse_unknown(names: list[str]) -> None:
    there = [member.worker.name for member in roster.members()]
    unknown = sorted(set(names) - set(there))
    if unknown:
        listed = f"These are there: {', '.join(there)}." if there else "No worker is there."
        raise CommandError(f"There is no worker named {', '.join(unknown)}. {listed}")


def _row(member: Member) -> tuple[str, ...]:
    worker = member.worker
    heard = max(0, round((timezone.now() - worker.heartbeat_at).total_seconds()))
    doing = ", ".join(f"{unit.stage}[{unit.chunk}] of {unit.job[:8]}" for unit in member.doing)
    memory = f"{worker.memory_free / GB:.1f} of {worker.memory_total / GB:.1f} GB free"
    warm = ", ".join(worker.warm)
    if worker.notes:
        warm += f" ({'; '.join(map(note_text, worker.notes))})"
    queues = ",".join(worker.queues)
    return (
        worker.name,
        member.state,
        queues,
        worker.device,
        memory,
        warm or "-",
        doing or "-",
        worker.version,
        f"{heard} s ago",
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows with their columns aligned, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
