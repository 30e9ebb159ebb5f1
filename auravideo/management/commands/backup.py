"""Back up the database and the videos into a folder."""

import time
from argparse import ArgumentParser
from pathlib import Path

from django.core.management import BaseCommand, CommandError

from auravideo.backups import BackupError, snapshots


class Command(BaseCommand):
    help = (
        "Back up the database and the videos into FOLDER, while the site runs. Files that an earlier backup copied are "
        "not copied again. Settings and secrets are not included."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--keep", type=int, default=7, help="how many backups to keep (default: %(default)s)")
        parser.add_argument("--every", type=float, metavar="HOURS", help="go on, with one backup every so many hours")

    def handle(self, *, folder: Path, keep: int, every: float | None, **_options: object) -> None:
        if keep < 1 or (every is not None and every <= 0):
            raise CommandError("--keep and --every must be positive.")
        if every is None:
            try:
                self._make(folder, keep)
            except BackupError as error:
                raise CommandError(str(error)) from None
            return
        while True:
            start = time.monotonic()
            try:
                self._make(folder, keep)
            except BackupError as error:  # the next one may succeed; `last-success` shows that this one did not
                self.stderr.write(self.style.ERROR(f"The backup failed: {error}"))
            time.sleep(max(0.0, every * 3600 - (time.monotonic() - start)))

    def _make(self, folder: Path, keep: int) -> None:
        made = snapshots.make(folder, keep)
        self.stdout.write(f"{made.path}: {made.files} files, {made.copied} of them new; {made.pruned} old ones deleted")
        self.stdout.flush()
