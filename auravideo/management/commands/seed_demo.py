"""Fill an empty site with demo content."""

import secrets

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, CommandParser

from auravideo.demo import clips as demo
from auravideo.server import migrations, redis_server


class Command(BaseCommand):
    help = "Create users, jobs in every state and videos, always the same ones, on a new site."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--password", help="for all demo users (default: a random one, which is printed)")
        parser.add_argument("--force", action="store_true", help="even if the site already has users")

    def handle(self, *, password: str | None, force: bool, verbosity: int, **_options: object) -> None:
        migrations.create_tables()
        if taken := demo.names_taken():
            raise CommandError(f"These demo usernames are already taken: {', '.join(taken)}.")
        # An administrator alone does not make it a site in use: docs/operating.md creates one first.
        others = get_user_model().objects.exclude(is_superuser=True).count()
        if others and not force:
            raise CommandError(f"This site has {others} accounts. To add the demo users anyway, pass --force.")
        kept = demo.administrators_kept()
        password = password or secrets.token_urlsafe(12)
        redis = redis_server.PrivateRedis(redis_server.private_socket())
        redis.ensure()  # jobs queued here are rendered once the site runs
        try:
            demo.seed(password, self.stdout.write if verbosity > 1 else lambda line: None)
        finally:
            redis.stop()
        names = ", ".join(person.name for person in demo.PEOPLE if person.name not in kept)
        self.stdout.write(f"{len(demo.CLIPS)} clips created. Sign in as one of {names}; the password is: {password}")
        if kept:
            self.stdout.write(f"{', '.join(kept)} existed already and keeps its own password.")
