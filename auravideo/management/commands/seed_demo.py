"""Fill an empty site with something to look at."""

import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, CommandParser

from auravideo.demo import clips as demo
from auravideo.server import redis_server


class Command(BaseCommand):
    help = "Make people, jobs in every state and videos, the same ones every time, on a site that nobody uses yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--password", help="of all the demo's people (default: a random one, which is printed)")
        parser.add_argument("--force", action="store_true", help="although this site has other people")

    def handle(self, *, password: str | None, force: bool, verbosity: int, **_options: object) -> None:
        if taken := demo.names_taken():
            raise CommandError(f"The demo's names are taken on this site already: {', '.join(taken)}.")
        others = get_user_model().objects.count()
        if others and not force:
            raise CommandError(f"This site has {others} accounts. To add the demo's people all the same: --force")
        password = password or secrets.token_urlsafe(12)
        redis = redis_server.PrivateRedis(None if settings.REDIS_URL else settings.REDIS_SOCKET)
        redis.ensure()  # what is queued here is rendered when the site runs
        try:
            demo.seed(password, self.stdout.write if verbosity > 1 else lambda line: None)
        finally:
            redis.stop()
        names = ", ".join(person.name for person in demo.PEOPLE)
        self.stdout.write(f"{len(demo.CLIPS)} clips were made. Sign in as one of {names}; the password is: {password}")
