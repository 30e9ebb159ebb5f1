"""Print a link with which people may sign up."""

from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.joining import invitations
from accounts.joining.models import MOST_USES, VALID_DAYS, Invitation, JoiningRules, Policy
from auravideo.doctor.site import address
from auravideo.server import migrations

MOST_DAYS = 3650


class Command(BaseCommand):
    help = "Print a link with which people may sign up, also before the site's first start. The admin lists all links."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--uses", type=int, default=1, help="for how many people (default: %(default)s)")
        parser.add_argument("--days", type=int, default=VALID_DAYS, help="how long it is valid (default: %(default)s)")
        parser.add_argument("--note", default="", help="for you: who gets it, and why")

    def handle(self, *, uses: int, days: int, note: str, **_options: Any) -> None:
        if not 1 <= uses <= MOST_USES:
            raise CommandError(f"--uses takes 1 to {MOST_USES}.")
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days takes 1 to {MOST_DAYS}.")
        if len(note) > (longest := Invitation._meta.get_field("note").max_length or 0):
            raise CommandError(f"--note takes {longest} characters at most.")
        migrations.create_tables()
        if JoiningRules.current().effective == Policy.CLOSED:
            raise CommandError("The site is closed, also to invitations. Change 'Who may join' in the admin first.")
        until = timezone.now() + timedelta(days=days)
        made = Invitation.objects.create(max_uses=uses, expires_at=until, note=note)
        self.stdout.write(invitations.link(made, address()))
