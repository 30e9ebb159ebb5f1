"""The request inside the video file: written as one line of JSON, read back without trusting the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from auravideo.core.media.containers import comments

MAX_SETTINGS_BYTES = 64 * 1024
SETTINGS_VERSION = 1


def settings_for(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a video carries, so that it alone can be made again: its request with the seed, and the version."""
    return {"auravideo": SETTINGS_VERSION, "request": dict(request)}


def dump_settings(metadata: Mapping[str, Any], *, ascii_only: bool) -> str:
    """`metadata` as JSON, keys sorted. A gif's comment has to be ASCII (GIF89a, 24); mp4 and webm take UTF-8.

    Raises:
        ValueError: it cannot be written as JSON, or is longer than `MAX_SETTINGS_BYTES`.
    """

    def dump(ascii_only: bool) -> str:
        try:
            return json.dumps(
                dict(metadata), ensure_ascii=ascii_only, allow_nan=False, sort_keys=True, separators=(",", ":")
            )
        except TypeError as error:
            raise ValueError(f"These settings cannot be written as JSON: {error}") from error

    text = dump(ascii_only)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair; JSON can escape it, UTF-8 cannot hold it
        text = dump(True)
        size = len(text)
    if size > MAX_SETTINGS_BYTES:
        raise ValueError(f"Settings of {size} bytes do not fit; at most {MAX_SETTINGS_BYTES} do.")
    return text


def read_settings(file: str | Path | BinaryIO) -> dict[str, Any] | None:
    """The settings that `encode` wrote into a file, or None where there are none that can be read.

    Safe on files from strangers: no decoder runs, little is read (see `containers.READ_BUDGET`), and damaged or hostile
    content is None. What comes back is any JSON object: check it as you would check a form.

    Args:
        file: a path, or a binary file that can seek; its position is kept.

    Raises:
        OSError: the file cannot be opened or read at all.
    """
    if isinstance(file, (str, Path)):
        with open(file, "rb") as opened:
            return read_settings(opened)
    position = file.tell()
    try:
        for text in comments(file, MAX_SETTINGS_BYTES):
            settings = _parse(text)
            if settings is not None:
                return settings
        return None
    finally:
        file.seek(position)


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
