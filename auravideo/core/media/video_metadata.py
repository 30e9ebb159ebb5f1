"""The request embedded in a video file: one line of JSON, parsed without trusting the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from auravideo.core.media.containers import comments

MAX_SETTINGS_BYTES = 64 * 1024
SETTINGS_VERSION = 1


def settings_for(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata to reproduce a video from its file alone: the request with its seed, and a version."""
    return {"auravideo": SETTINGS_VERSION, "request": dict(request)}


def dump_settings(metadata: Mapping[str, Any], *, ascii_only: bool) -> str:
    """Return `metadata` as JSON with sorted keys. A gif comment must be ASCII (GIF89a, 24); mp4 and webm take UTF-8.

    Raises:
        ValueError: it is not serializable, or longer than `MAX_SETTINGS_BYTES`.
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
    except UnicodeEncodeError:  # a lone surrogate: JSON can escape it, UTF-8 can't encode it
        text = dump(True)
        size = len(text)
    if size > MAX_SETTINGS_BYTES:
        raise ValueError(f"Settings of {size} bytes do not fit; at most {MAX_SETTINGS_BYTES} do.")
    return text


def read_settings(file: str | Path | BinaryIO) -> dict[str, Any] | None:
    """Return the settings that `encode` embedded in a file, or None if there are none or they are unreadable.

    Safe on untrusted files: runs no decoder, reads little (`containers.READ_BUDGET`), and returns None for damaged or
    hostile content. The result may be any JSON object, so validate it like a form.

    Args:
        file: a path, or a seekable binary file, whose position is restored.

    Raises:
        OSError: the file cannot be opened or read.
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
