"""Check the whole installation and say how to repair what is wrong."""

import json
import shutil
import textwrap
from dataclasses import asdict

from django.core.management import BaseCommand, CommandError, CommandParser

from auravideo.core.logs.redaction import redact
from auravideo.doctor import computing, installation, joining, rendering, services, sharing, site
from auravideo.doctor.findings import SECONDS, Finding, State, carry_out

ROOMS = (installation, services, site, joining, sharing, rendering, computing)
CHECKS = [check for room in ROOMS for check in room.CHECKS]
MARKS = {State.OK: "ok", State.WARNING: "WARNING", State.FAILED: "FAILED", State.SKIPPED: "-"}
LEAST_WIDTH = 60


class Command(BaseCommand):
    help = "Check the whole installation. Exit status 1 if anything failed; warnings alone give 0."
    requires_system_checks = []  # they are one of the checks

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
        parser.add_argument(
            "--timeout", type=float, default=SECONDS, help="seconds for each check (default: %(default)g)"
        )

    def handle(self, *, json: bool, timeout: float, **_options: object) -> None:
        if timeout <= 0:
            raise CommandError("--timeout must be more than 0.")
        findings = [_public(finding) for finding in carry_out(CHECKS, timeout)]
        self.stdout.write(_json(findings) if json else _table(findings, shutil.get_terminal_size().columns))
        failed = [finding for finding in findings if finding.state == State.FAILED]
        if failed:
            raise CommandError(f"{len(failed)} of {len(findings)} checks failed.")


def _public(finding: Finding) -> Finding:
    """Return a finding without secrets: errors of drivers can repeat a URL with its password."""
    return Finding(finding.check, finding.state, redact(finding.detail), redact(finding.fix))


def _json(findings: list[Finding]) -> str:
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


def _table(findings: list[Finding], width: int) -> str:
    """Return a table of all findings, the fix below what is wrong."""
    name = max(len(finding.check) for finding in findings)
    mark = max(map(len, MARKS.values()))
    indent = " " * (name + mark + 4)
    lines = []
    for finding in findings:
        head = f"{finding.check:<{name}}  {MARKS[finding.state]:<{mark}}  "
        room = max(width, LEAST_WIDTH)
        lines += textwrap.wrap(head + finding.detail, room, subsequent_indent=indent) or [head]
        if finding.fix:
            lines += textwrap.wrap(f"-> {finding.fix}", room, initial_indent=indent, subsequent_indent=f"{indent}   ")
    return "\n".join(line.rstrip() for line in lines)
