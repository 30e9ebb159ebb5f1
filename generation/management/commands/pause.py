"""Pause all rendering of the site."""

from typing import Any

from django.core.management import BaseCommand

from auravideo.commands import manage
from generation.queue.pausing import services


class Command(BaseCommand):
    help = (
        "Pause all rendering: workers stop within one step, free their graphics cards, and keep where they were. "
        "`resume` continues from there."
    )

    def handle(self, **_options: Any) -> None:
        is_new = services.pause()
        state = "Rendering is paused" if is_new else "Rendering was already paused"
        self.stdout.write(f"{state}. Resume it with: {manage('resume')}")
