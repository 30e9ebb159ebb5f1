"""Something that looks at the site again and again while the campaign goes on, in a thread of its own."""

import threading


class Watcher:
    """Calls `look_once` every `SECONDS` for the length of the block. If that fails, it is found in `wrong`."""

    SECONDS = 0.5

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def look_once(self) -> None:
        raise NotImplementedError

    def _watch(self) -> None:
        while not self._end.wait(self.SECONDS):
            try:
                self.look_once()
            except Exception as error:  # or nobody would notice that it has stopped looking
                self.wrong.append(f"{type(self).__name__} could not look: {error!r}")
