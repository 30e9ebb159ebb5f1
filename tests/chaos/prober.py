"""A visitor who looks at the pages all the time: they may be away for a moment, but must not answer with an error."""

import urllib.error
import urllib.request
from collections import Counter
from itertools import cycle

from tests.chaos.watcher import Watcher
from tests.chaos.world import World

PAGES = ("/jobs/", "/videos/", "/create/", "/healthz/live")


class Prober(Watcher):
    """Looks at one page after the other, every half second."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.answers: Counter[int | str] = Counter()
        self._pages = cycle(PAGES)
        world.site.make_user("prober")
        self._cookie = f"sessionid={world.site.session_of('prober')}"

    def look_once(self) -> None:
        path = next(self._pages)
        answer = self._ask(path)
        self.answers[answer] += 1
        if answer == 500:
            self.wrong.append(f"{path} answered 500")

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
