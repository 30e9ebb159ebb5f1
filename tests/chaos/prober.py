"""A visitor who looks at the pages all the time: they may be away for a moment, but must not answer with an error."""

import threading
import time
import urllib.error
import urllib.request
from collections import Counter

from tests.chaos.world import World

PAGES = ("/jobs/", "/videos/", "/create/", "/healthz/live")


class Prober:
    """Looks at one page after the other, every half second."""

    SECONDS = 0.5

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: Counter[int | str] = Counter()
        self.wrong: list[str] = []
        world.site.make_user("prober")
        self._cookie = f"sessionid={world.site.session_of('prober')}"
        self._going = threading.Event()
        self._thread = threading.Thread(target=self._look, name="prober", daemon=True)

    def __enter__(self) -> "Prober":
        self._going.set()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._going.clear()
        self._thread.join()

    def _look(self) -> None:
        number = 0
        while self._going.is_set():
            path = PAGES[number % len(PAGES)]
            number += 1
            answer = self._ask(path)
            self.answers[answer] += 1
            if answer == 500:
                self.wrong.append(f"{path} answered 500")
            time.sleep(self.SECONDS)

    def _ask(self, path: str) -> int | str:
        """Return the status, or `away`."""
        request = urllib.request.Request(self.world.site.url + path, headers={"Cookie": self._cookie})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return "away"
