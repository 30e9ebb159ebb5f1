"""Removes the second factors of somebody who has lost them: for operators who cannot open the administration."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.staff import rescue


class Command(BaseCommand):
    help = (
        "Remove the authenticator app, the passkeys and the recovery codes of a user who has lost them, and sign the "
        "user out everywhere. Make sure first who asks for it. The user reads of it by email and on the security page."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="whose second factors to remove")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.named(options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']}.")
        count = rescue.reset_second_factor(user)
        if not count:
            raise CommandError(f"{user.username} has no second factor.")
        self.stdout.write(f"{user.username} has no second factor now, and is signed out everywhere.")
