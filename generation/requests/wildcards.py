"""The operator's lists for `__name__` in prompts: text files with one option a line, in a folder and its subfolders."""

import functools
import logging
from pathlib import Path

from generation.domain.prompt_syntax.problems import BadTemplate
from generation.domain.prompt_syntax.templates import Choice, Node, read_template

logger = logging.getLogger(__name__)

FOLDER = "wildcards"  # in AURAVIDEO_HOME
SUFFIX = ".txt"
MAX_BYTES = 2**20
MAX_LINES = 10_000
MAX_LINE = 500  # characters; what is longer is left out
MAX_NESTED = 4  # lists in lists


class Wildcards:
    """The lists in a folder as they are now. Each is read once; options may be templates and name other lists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Node] = {}
        self._reading: list[str] = []

    def __call__(self, name: str) -> Node:
        """Return the choice of a list's lines.

        Raises:
            KeyError: there is no such list, or it is empty or too large.
            BadTemplate: lists name each other in a circle or too deeply, or a line is no template.
        """
        if name in self._reading or len(self._reading) >= MAX_NESTED:
            raise BadTemplate("list-deep", name=name)
        if name not in self._read:
            lines = _lines(self.folder / f"{name}{SUFFIX}")
            if not lines:
                raise KeyError(name)
            self._reading.append(name)
            try:
                self._read[name] = Choice(tuple(read_template(line, self) for line in lines))
            finally:
                self._reading.pop()
        return self._read[name]


def _lines(path: Path) -> tuple[str, ...]:
    """Return the options of a list; none if it cannot be used."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    return _cached_lines(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=64)
def _cached_lines(path: Path, _changed: int, size: int) -> tuple[str, ...]:
    if size > MAX_BYTES:
        logger.warning("%s has more than %d bytes and is not used", path, MAX_BYTES)
        return ()
    try:
        text = path.read_text("utf-8-sig", "replace")
    except OSError as error:
        logger.warning("%s cannot be read: %s", path, error)
        return ()
    lines = (" ".join(line.split()) for line in text.splitlines())
    kept = [line for line in lines if line and not line.startswith("#") and len(line) <= MAX_LINE]
    if len(kept) > MAX_LINES:
        logger.warning("%s has more than %d lines; the others are not used", path, MAX_LINES)
    return tuple(kept[:MAX_LINES])
