"""The operator's lists for `__name__` in prompts: text files with one option a line, in a folder and its subfolders."""

import functools
import logging
import stat
from pathlib import Path

from generation.domain.prompt_syntax.problems import BadTemplate
from generation.domain.prompt_syntax.templates import SIGN_OF_LIST, Choice, Node, read_template

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
                options = (read_template(line, self) if isinstance(line, str) else line for line in lines)
                self._read[name] = Choice(tuple(options))
            finally:
                self._reading.pop()
        return self._read[name]


def _lines(path: Path) -> tuple[str | Node, ...]:
    """Return the options of a list, as read if they name no others; none if it cannot be used."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
        return ()
    return _cached_lines(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=64)
def _cached_lines(path: Path, _changed: int, size: int) -> tuple[str | Node, ...]:
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
    return tuple(map(_read_if_alone, kept[:MAX_LINES]))


def _read_if_alone(line: str) -> str | Node:
    """Return a line as read, unless that may depend on other lists, or is for the reader to refuse."""
    if SIGN_OF_LIST in line:
        return line
    try:
        return read_template(line)
    except BadTemplate:
        return line
