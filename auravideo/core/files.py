"""Write files so that a reader sees the old content or the new one, never a half-written file.

The content is written to a hidden file in the same folder, which then takes the target's name in one step. Standard
library only: the settings and the pure rooms use this too.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """Yield an unused hidden path in the folder of `path`, with its suffix; whatever is left there is removed."""
    path = Path(path)
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `path` when the block ends and is removed when it raises.

    Raises:
        OSError: the file cannot take the place of `path`; what was there before is untouched.
    """
    with beside(path) as part:
        yield part
        part.replace(path)


def replace_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` in one step, creating its folder if needed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def create_once(path: str | Path, text: str) -> bool:
    """Write `text` as UTF-8 to a new file that only its owner can read, unless the file already exists.

    When several processes start at once, the first one's content stays. Return whether this call created the file.
    """
    with beside(path) as part:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        return True
