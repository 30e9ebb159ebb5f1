"""The lock file of downloaded models, and verification of their files against it.

`<AURAVIDEO_HOME>/models/models.lock.json` records each model's origin (repository, commit) and the size and SHA-256 of
each file. It contains nothing specific to the machine, so it can be copied along with the models. `.verified.json`
beside it caches which files have been hashed, by size and modification time.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from auravideo.commands import FETCH_MODELS
from auravideo.core.files import replace_text
from generation.domain.errors import RenderError

LOCK_NAME = "models.lock.json"
LOCK_VERSION = 1

_VERIFIED_NAME = ".verified.json"
_BLOCK = 1 << 20
_read_cache: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}


def lock_path(home: Path | str) -> Path:
    """Return the path of the lock file in `home` (AURAVIDEO_HOME)."""
    return Path(home) / "models" / LOCK_NAME


def read_lock(home: Path | str) -> dict[str, Any]:
    """Return the locked models by ID: {"sources": [{"repo", "commit"}], "files": {path: {"size", "sha256"}}}.

    Raises:
        RenderError: "model-corrupt" if the lock file itself is unreadable.
    """
    path = lock_path(home)
    try:
        status = path.stat()
    except FileNotFoundError:
        return {}
    stamp = (status.st_size, status.st_mtime_ns)
    if path not in _read_cache or _read_cache[path][0] != stamp:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            models = data["models"]
            if data["version"] != LOCK_VERSION or not all(_is_locked(model) for model in models.values()):
                raise ValueError("not a lock file of this version")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            command = f"rm {path}; {FETCH_MODELS}"
            raise RenderError("model-corrupt", model="lock", file=path, command=command) from error
        _read_cache[path] = (stamp, models)
    return _read_cache[path][1]


def write_lock(home: Path | str, id: str, locked: Mapping[str, Any]) -> None:
    """Write the model `id` to the lock file, replacing its previous record. The file is replaced atomically."""
    models = {**read_lock(home), id: dict(locked)}
    text = json.dumps({"version": LOCK_VERSION, "models": models}, indent=2, sort_keys=True)
    replace_text(lock_path(home), text + "\n")


def locked_sizes(home: Path | str, id: str) -> dict[str, int]:
    """Return the size in bytes of every file locked for `id`, by path in the model's folder.

    Empty if the lock file is unreadable: listing models still works, and `verify` reports the error.
    """
    try:
        locked = read_lock(home)
    except RenderError:
        return {}
    return {name: file["size"] for name, file in locked.get(id, {}).get("files", {}).items()}


def file_sha256(path: Path, on_block: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file in hexadecimal; `on_block` is called with the size of each block read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if on_block is not None:
                on_block(len(block))
    return digest.hexdigest()


def verify(entry: Any, home: Path | str, *, every_byte: bool = False) -> None:
    """Check that the files of `entry` (a catalogue entry) are present and match the lock file.

    A file already hashed is not read again while its size and modification time are unchanged, so the check is cheap
    when a worker loads a model; `every_byte` reads every file. Of bundled models, and of files copied by hand for which
    the catalogue has no hash either, only the presence is checked.

    Raises:
        RenderError: "model-missing" or "model-corrupt", whose text names the command that repairs it;
            "model-unexpected" if a file is as it was fetched, or copied by hand, and the catalogue names another.
    """
    folder = entry.path(home)
    files = _expected(entry, home)
    absent = [name for name in entry.missing_files(home) if name not in files or not (folder / name).is_file()]
    if absent:
        raise RenderError("model-missing", model=entry.label, file=absent[0], command=entry.command)
    verified = _read_verified(home)
    fresh = dict(verified)
    for name, expected in files.items():
        stamp = _stamp(folder / name, expected)
        if stamp[0] != expected.get("size", stamp[0]) or (
            (every_byte or verified.get(str(folder / name)) != stamp)
            and file_sha256(folder / name) != expected["sha256"]
        ):
            if verified.pop(str(folder / name), None) is not None:
                _remember(home, verified)
            raise RenderError(_fault_of(entry, home, name), model=entry.label, file=name, command=entry.command)
        fresh[str(folder / name)] = stamp
    if fresh != verified:
        _remember(home, fresh)


def _fault_of(entry: Any, home: Path | str, name: str) -> str:
    """Return the error of a file that is not as expected. Fetching one again helps only if it has changed since."""
    locked = read_lock(home).get(entry.files_id, {}).get("files", {}).get(name)
    pinned = entry.sha256.get(name)
    if pinned is None or (locked is not None and locked["sha256"] == pinned):
        return "model-corrupt"
    is_as_it_came = locked is None or file_sha256(entry.path(home) / name) == locked["sha256"]
    return "model-unexpected" if is_as_it_came else "model-corrupt"


def _expected(entry: Any, home: Path | str) -> dict[str, dict[str, Any]]:
    """Return the size and SHA-256 that each file of `entry` must have, as far as known; the catalogue's hash counts."""
    if entry.builtin:
        return {}
    files = {name: dict(file) for name, file in read_lock(home).get(entry.files_id, {}).get("files", {}).items()}
    for name, digest in entry.sha256.items():
        files.setdefault(name, {})["sha256"] = digest
    return files


def remember(entry: Any, home: Path | str, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Record that `files` of `entry` (as in the lock file) are hashed, so that the next load can skip it."""
    folder = entry.path(home)
    stamps = {str(folder / name): _stamp(folder / name, expected) for name, expected in files.items()}
    _remember(home, {**_read_verified(home), **stamps})


def _is_locked(model: Mapping[str, Any]) -> bool:
    return all(
        isinstance(file["size"], int) and isinstance(file["sha256"], str) and _is_inside(name)
        for name, file in model["files"].items()
    )


def _is_inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _stamp(path: Path, expected: Mapping[str, Any]) -> list[Any]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, expected["sha256"]]


def _read_verified(home: Path | str) -> dict[str, Any]:
    try:
        data = json.loads((lock_path(home).parent / _VERIFIED_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _remember(home: Path | str, stamps: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):  # if the folder is read-only, the next load just hashes again
        replace_text(lock_path(home).parent / _VERIFIED_NAME, json.dumps(stamps, indent=0, sort_keys=True))
