"""The request embedded in a video file: one line of JSON, parsed without trusting the file."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from auravideo.core.media.containers import comment_places, comments

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


def without(file: BinaryIO, fields: Collection[str]) -> list[tuple[int, bytes]]:
    """Return the bytes to put in place of others, by offset, so that a file's settings lack `fields` of the request.

    The file keeps its length: what is left of the settings is padded with spaces.

    Raises:
        GiveUpError: the file is damaged, so that its settings may not have been found.
    """
    found = []
    for parts in comment_places(file):
        text = b"".join(_read_at(file, start, end) for start, end in parts)
        kept = _without(text, fields).ljust(len(text))
        for start, end in parts:
            found.append((start, kept[: end - start]))
            kept = kept[end - start :]
    return found


def _read_at(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _without(text: bytes, fields: Collection[str]) -> bytes:
    """Return settings without `fields`; nothing of a comment that is not of ours, or would be longer."""
    settings = _parse(text) or {}
    request = settings.get("request")
    if not isinstance(request, dict):
        return b""
    request = {name: value for name, value in request.items() if name not in fields}
    shorter = dump_settings({**settings, "request": request}, ascii_only=text.isascii()).encode()
    return shorter if len(shorter) <= len(text) else b""


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
