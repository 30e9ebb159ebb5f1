"""Prints the audit log, one JSON object a line: what staff did, and who signed in as staff or failed to sign in."""

import json
from typing import Any

from django.core.management import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from accounts.staff import audit


class Command(BaseCommand):
    help = "Print what staff did, and their sign-ins and failed ones: one JSON object a line."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in audit.lines():
            self.stdout.write(json.dumps(line, cls=DjangoJSONEncoder, ensure_ascii=False))
