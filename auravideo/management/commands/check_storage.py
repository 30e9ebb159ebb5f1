"""Try everything that the site does with its storages, and say what is missing and how to fix it."""

import time
from argparse import ArgumentParser
from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError

from auravideo.storage_checks.findings import Finding, State
from auravideo.storage_checks.run import check_all

RETRY_SECONDS = 2
HEADER = ("STORAGE", "CHECK", "STATE", "DETAIL")


class Command(BaseCommand):
    help = (
        "Try everything that the site does with its storages, of videos (default) and of frames: local folders or S3. "
        "Creates the bucket if it is missing and sets its lifecycle rules. Can be repeated at any time, also by "
        "several machines at once. Exit code 1 if anything that the site needs fails."
    )
    requires_system_checks = ()  # the storage may be what keeps the site from starting

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=int,
            default=0,
            metavar="SECONDS",
            help="try again for this long while the storage does not work",
        )

    def handle(self, *, wait: int, **_options: object) -> None:
        deadline = time.monotonic() + wait
        while _failed(findings := list(check_all())) and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)
        self._print_table(findings)
        self._print_fixes(findings)
        if failed := _failed(findings):
            raise CommandError(f"{len(failed)} of {len(findings)} checks failed.")
        self.stdout.write(self.style.SUCCESS("Everything that the site needs works."))

    def _print_table(self, findings: list[Finding]) -> None:
        rows = [HEADER, *((found.storage, found.check, str(found.state), found.detail) for found in findings)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
            self.stdout.write(self._style(row[2])(line.rstrip()))

    def _print_fixes(self, findings: list[Finding]) -> None:
        for found in findings:
            if found.state != State.WORKS:
                self.stdout.write(self._style(found.state)(f"\n{found.storage}, {found.check}: {found.detail}"))
                self.stdout.write(f"  {found.fix}")
        self.stdout.write("")

    def _style(self, state: str) -> Callable[[str], str]:
        if state == State.FAILED:
            return self.style.ERROR
        return self.style.WARNING if state == State.WARNING else str


def _failed(findings: list[Finding]) -> list[Finding]:
    return [found for found in findings if found.state == State.FAILED]
