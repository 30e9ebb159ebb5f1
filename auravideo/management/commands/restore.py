"""Restore a backup that `manage.py backup` made."""

from argparse import ArgumentParser
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from auravideo.backups import BackupError, snapshots
from auravideo.commands import manage


class Command(BaseCommand):
    help = (
        "Replace the database by the one of BACKUP, a folder made by `manage.py backup`, and store its videos that are "
        "missing. Stop the site before. Clips that were rendering then can be tried again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("backup", type=Path, metavar="BACKUP")
        parser.add_argument("--force", action="store_true", help="also if this site has accounts, which are lost")

    def handle(self, *, backup: Path, force: bool, **_options: object) -> None:
        if not force and (accounts := _accounts()):
            raise CommandError(f"This site has {accounts} accounts. To replace everything, pass --force.")
        try:
            count = snapshots.restore(backup)
        except BackupError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Restored the database of {backup.name}, and {count} files. Now run: {manage('migrate')}")


def _accounts() -> int:
    try:
        return get_user_model().objects.count()
    except DatabaseError:  # a new database, without tables
        return 0
