"""Django's `createsuperuser`, which also works before the site's first start."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from auravideo.server import migrations


class Command(createsuperuser.Command):
    def execute(self, *args: Any, **options: Any) -> Any:
        migrations.create_tables()
        return super().execute(*args, **options)
