"""Resume rendering after `pause`."""

from typing import Any

from django.core.management import BaseCommand

from generation.queue.pausing import services


class Command(BaseCommand):
    help = "Resume all rendering after `pause`, each clip from the step where it stopped."

    def handle(self, **_options: Any) -> None:
        did = services.resume()
        self.stdout.write("Rendering resumed." if did else "Rendering was not paused, so nothing changed.")
