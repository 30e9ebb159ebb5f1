"""Management command `inbox`: list the model files in `models/inbox/`, approve them, and take that back."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from auravideo.commands import manage
from generation.inbox import folder, services
from generation.inbox.reasons import Refused
from generation.requests import available


class Command(BaseCommand):
    help = "List the model files in models/inbox, say what each of them is, and approve them."
    requires_system_checks = ()  # files need no database
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--approve", nargs="+", metavar="NAME", default=[], help="files to approve")
        parser.add_argument("--withdraw", nargs="+", metavar="ID", default=[], help="approved entries to take back")

    def handle(self, *args: Any, approve: list[str], withdraw: list[str], **options: Any) -> None:
        home, own = Path(settings.HOME), settings.CATALOGUE_FILE or None
        refused = 0
        for name in approve:
            refused += self._tell(name, lambda name=name: self._approve(home, own, name))
        for id in withdraw:
            refused += self._tell(id, lambda id=id: f"is in the inbox again: {services.withdraw(home, own, id)}")
        if refused:
            raise CommandError(f"{refused} refused.")
        if not approve and not withdraw:
            self._list(home)

    def _approve(self, home: Path, own: str | None, name: str) -> str:
        id = services.approve(home, own, name)
        command = services.command(home, available.catalogue(), id)
        return f"approved, as {id}. Fetch what it needs besides: {command}" if command else f"can be used, as {id}"

    def _tell(self, name: str, act: Any) -> bool:
        """Do something and say what came of it. Return whether it was refused."""
        try:
            self.stdout.write(f"{name}: {act()}")
        except Refused as reason:
            self.stdout.write(f"{name}: {reason.text}")
            return True
        return False

    def _list(self, home: Path) -> None:
        files = list(folder.dropped(home))
        for file in files:
            what = f"{file.found.kind}, {file.label}" if file.found else f"refused. {file.refused}"
            self.stdout.write(f"{file.name}: {what}")
        if not files:
            self.stdout.write(f"There are no files in {folder.inbox(home)}.")
        elif any(file.found for file in files):
            self.stdout.write(f"\nApprove one: {manage('inbox --approve NAME')}")
        for entry in services.approvals(home, available.catalogue()):
            self.stdout.write(f"approved: {entry['id']} ({entry['kind']}, {entry['label']})")
