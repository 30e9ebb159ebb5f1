"""Django's `createsuperuser`, which also works before the site's first start."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management import CommandError
from django.db import IntegrityError

from accounts.models import EMAIL_CONSTRAINT, EMAIL_TAKEN, TOO_SIMILAR
from auravideo.server import migrations


class Command(createsuperuser.Command):
    def execute(self, *args: Any, **options: Any) -> Any:
        migrations.create_tables()
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> Any:
        try:
            return super().handle(*args, **options)
        except IntegrityError as error:
            raise CommandError(str(EMAIL_TAKEN if EMAIL_CONSTRAINT in str(error) else TOO_SIMILAR)) from None
