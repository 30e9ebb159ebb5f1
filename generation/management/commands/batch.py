"""Management command `batch`: render every row of a file (docs/batch.md)."""

import contextlib
import logging
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter
from django.db import OperationalError, ProgrammingError
from django.db.models import Q
from tqdm import tqdm

from auravideo.commands import manage
from auravideo.core import publish
from generation.batches import parsing
from generation.batches import services as batches
from generation.batches.export import Output, OutputError
from generation.batches.services import BatchEntry, Feed
from generation.batches.wait import Outcome, Wait
from generation.queue import submission
from generation.quotas.allowance import UNLIMITED
from generation.quotas.refusals import NoSecondsLeft, NoStorageLeft, TooManyJobs
from generation.quotas.selectors import allowance_of
from generation.requests.limits import Limits

SHOWN_PROBLEMS = 100
SHOWN_WORDS = 10
SOME_FAILED, NOT_FINISHED, INTERRUPTED = 3, 4, 130  # exit codes; CommandError exits with 1, shells use 130 for Ctrl-C
START_WORKERS = f"make run (or: {manage('serve')})"
WHY = {
    submission.NoRoom: "the disk is full or nearly so",
    TooManyJobs: "the user has reached the limit of waiting clips",
    NoSecondsLeft: "the user has no seconds of video left (see --no-quotas)",
    NoStorageLeft: "the user has no storage left (see --no-quotas)",
}
EPILOG = """\
Invalid rows are reported by line number, and nothing is queued unless --skip-invalid is given. Run the same command
again to resume: finished rows are not rendered again, failed and cancelled ones are retried.

exit codes:
  0    every valid row was queued; with --wait: is done
  1    the file, user or folder is invalid, and nothing was queued
  3    with --wait: all rows ended, but some failed or were cancelled
  4    not finished: more than the user may have waiting or make now, or (with --wait) no worker responds; run it again
  130  Ctrl-C; queued clips are still rendered
"""


class Command(BaseCommand):
    help = "Render every row of a file: text (one prompt per line), CSV or JSON Lines."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, formatter_class=_Formatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the rows; - reads standard input")
        parser.add_argument("--user", metavar="NAME", required=True, help="owner of the clips: username or email")
        parser.add_argument("--format", choices=parsing.FORMATS, help="format; default: detected")
        parser.add_argument("--skip-invalid", action="store_true", help="queue the valid rows and skip the others")
        parser.add_argument(
            "--no-quotas",
            action="store_true",
            help="let the user exceed their quotas, but not the limits of the site",
        )
        parser.add_argument("--wait", action="store_true", help="show progress and wait until every clip has ended")
        parser.add_argument(
            "--output", metavar="DIR", type=Path, help="write one file per row and manifest.jsonl here; implies --wait"
        )

    def handle(self, *, file: str, user: str, output: Path | None, **options: Any) -> None:
        try:
            rows = parsing.read_rows(_read(file), format=options["format"] or "", name="" if file == "-" else file)
            owner = _find_user(user)
            allowance = UNLIMITED if options["no_quotas"] else allowance_of(owner)
            entries = self._check(rows, allowance.limits, skip_invalid=options["skip_invalid"])
            folder = Output(output, parsing.digest(rows), len(rows)) if output else None
            batch, is_new = batches.open_batch(owner, "standard input" if file == "-" else Path(file).name, rows)
            feed = Feed(batch, entries, within_quotas=not options["no_quotas"])
            self._run(feed, entries, folder, wait=options["wait"] or output is not None, is_new=is_new)
        except (parsing.BatchFileError, OutputError) as error:
            raise CommandError(str(error)) from error
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"The database is not working ({str(error).strip()}). Clips already queued are kept. "
                f"Start the site with {START_WORKERS}, then run this command again."
            ) from error

    def _check(self, rows: list[parsing.Row], limits: Limits, *, skip_invalid: bool) -> list[BatchEntry]:
        entries = batches.check(rows, limits)
        problems = [problem for entry in entries for problem in entry.problems]
        for problem in problems[:SHOWN_PROBLEMS]:
            self.stderr.write(problem)
        if len(problems) > SHOWN_PROBLEMS:
            self.stderr.write(f"... and {len(problems) - SHOWN_PROBLEMS} more.")
        wrong = sum(entry.request is None for entry in entries)
        if wrong == len(entries):
            raise CommandError(f"None of the {_rows(wrong)} can be rendered, so nothing was queued.")
        if wrong and not skip_invalid:
            raise CommandError(
                f"{wrong} of {_rows(len(entries))} cannot be rendered, so nothing was queued. Correct the errors "
                "above, or render the other rows with --skip-invalid."
            )
        return entries

    def _run(self, feed: Feed, entries: list[BatchEntry], folder: Output | None, *, wait: bool, is_new: bool) -> None:
        broker_answers = batches.broker_answers()
        try:
            with _quiet(unless=broker_answers):
                self._queue(feed)
                self._say_what_was_queued(feed, entries, is_new=is_new)
                if feed.queued:
                    self._say_what_was_left_open(entries)
                if is_new:
                    self._hint_at_words(entries)
                if not broker_answers and feed.sent:
                    self._warn(
                        "Redis is not responding. The clips are kept in the database, and the site sends them to its "
                        f"workers when it runs again. Start it with: {START_WORKERS}."
                    )
                if wait:
                    self._wait(feed, entries, folder)
        except KeyboardInterrupt:
            left = f" {_rows(len(feed))} could not be queued yet." if len(feed) else ""
            self._warn(f"Stopped. Queued clips are still rendered.{left} Run the command again to resume.")
            sys.exit(INTERRUPTED)
        if len(feed):
            why = next((why for kind, why in WHY.items() if isinstance(feed.refusal, kind)), "not now")
            self._warn(
                f"{_rows(len(feed))} could not be queued: {why}. Run the same command again later, or with --wait."
            )
            sys.exit(NOT_FINISHED)

    def _queue(self, feed: Feed) -> None:
        options: dict[str, Any] = {"desc": "queueing", "unit": "row", "leave": False, "dynamic_ncols": True}
        with tqdm(total=len(feed), disable=None if len(feed) else True, **options) as bar:
            for _entry in feed.advance():
                bar.update()

    def _say_what_was_queued(self, feed: Feed, entries: list[BatchEntry], *, is_new: bool) -> None:
        wrong = sum(entry.request is None for entry in entries) + feed.refused
        for reason in dict.fromkeys(map(str, feed.reasons)):
            self.stderr.write(reason)
        counts = {"queued": feed.queued, "retried": feed.retried, "already there": feed.known, "skipped": wrong}
        parts = [f"{count} {what}" for what, count in counts.items() if count]
        start = "" if is_new else "Resuming an earlier batch. "
        self.stdout.write(f"{start}{_rows(len(entries))}: {', '.join(parts) or 'none queued'}.")

    def _say_what_was_left_open(self, entries: list[BatchEntry]) -> None:
        """Say the size of rows without one where it takes long: nobody saw the form that has the same."""
        sizes = [f"{size} with {label}" for label, size in batches.sizes_left_open(entries).items()]
        if sizes:
            named = ", ".join(sizes[:-1]) + " and " * (len(sizes) > 1) + sizes[-1]
            self.stderr.write(parsing.printable(f"Rows without a size are made at {named}, as the form opens."))

    def _hint_at_words(self, entries: list[BatchEntry]) -> None:
        """Name the trigger words of the batch's models, which nobody could guess, unless its prompts have one."""
        words = batches.unused_words(entries)
        if words:
            more = f" and {len(words) - SHOWN_WORDS} more" if len(words) > SHOWN_WORDS else ""
            known = parsing.printable(", ".join(words[:SHOWN_WORDS]))
            self.stderr.write(f"No prompt uses a trigger word; these models were taught: {known}{more}.")

    def _wait(self, feed: Feed, entries: list[BatchEntry], folder: Output | None) -> None:
        with Wait(feed, entries, folder, self._line) as waiting:
            outcome = waiting.run()
        self._summarise(waiting, folder)
        if outcome is Outcome.NO_WORKER:
            self._warn(
                f"No worker responds for: {', '.join(sorted(waiting.silent))}. The clips are queued and will be "
                f"rendered once workers run. Start them with: {START_WORKERS}. Then run this command again."
            )
            sys.exit(NOT_FINISHED)
        if waiting.failed:
            sys.exit(SOME_FAILED)

    def _summarise(self, waiting: Wait, folder: Output | None) -> None:
        parts = [f"{count} {status}" for status, count in sorted(waiting.counts.items()) if count]
        where = f" The files are in {folder.folder}." if folder else ""
        self.stdout.write(f"{', '.join(parts) or 'Nothing was rendered'}.{where}")

    def _line(self, text: str) -> None:
        """Print a line above the progress bars."""
        with tqdm.external_write_mode():
            self.stdout.write(text)

    def _warn(self, text: str) -> None:
        self.stderr.write(text, self.style.WARNING)


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """A formatter that keeps the epilog's line breaks."""


@contextlib.contextmanager
def _quiet(*, unless: bool) -> Iterator[None]:
    """Silence the warning that every job would log without a broker; the command prints it once."""
    logger = logging.getLogger(publish.__name__)
    before = logger.level
    if not unless:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _read(file: str) -> bytes:
    """Return the bytes of a file or of standard input, cut one byte over the limit so that longer ones are detected."""
    limit = parsing.MAX_BYTES + 1
    if file == "-":
        return sys.stdin.buffer.read(limit)
    try:
        with Path(file).open("rb") as stream:
            return stream.read(limit)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}.") from error


def _find_user(name: str) -> Any:
    user = get_user_model().objects.filter(Q(username__iexact=name) | Q(email__iexact=name)).first()
    if not name or user is None:
        raise CommandError(f"There is no account '{name}'. Sign up on the site, or: {manage('createsuperuser')}")
    if not user.is_active:
        raise CommandError(f"The account '{name}' is closed.")
    return user


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
