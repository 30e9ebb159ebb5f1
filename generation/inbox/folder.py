"""The inbox: the files in `models/inbox/`, and what each of them is."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from generation.catalogue.gguf_file import SUFFIX as GGUF
from generation.inbox import names
from generation.inbox.headers import read_header, refuse_gguf
from generation.inbox.reasons import Refused
from generation.inbox.recognise import Found, recognise

PERMISSION = "generation.change_worker"  # to approve: of those who run the machines
MOST_FILES = 500
LONGEST_NAME = 255

_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5", ".keras")
_PARTIAL = (".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp", ".filepart")
# What managers of models put beside them.
_BESIDES = (".txt", ".md", ".json", ".yaml", ".yml", ".info", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file in the inbox: what it is, or why it is refused."""

    name: str
    size: int = 0
    found: Found | None = None
    refused: Refused | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return what it would be called on the form."""
        return names.label(Path(self.name).stem, self.metadata)


def inbox(home: Path | str) -> Path:
    """Return the folder; it may not exist."""
    return Path(home) / "models" / "inbox"


def look(home: Path | str, name: str) -> Dropped:
    """Return what the file `name` in the inbox is."""
    path = inbox(home) / name
    if not name.isprintable():
        return Dropped(names.cleaned(name, LONGEST_NAME), refused=Refused("name"))
    if Path(name).name != name or name in ("", ".", ".."):
        return Dropped(name, refused=Refused("gone"))
    try:
        status = path.lstat()
    except OSError:
        return Dropped(name, refused=Refused("gone"))
    return _looked(path, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=2 * MOST_FILES)
def _looked(path: Path, stamp: tuple[int, int, int]) -> Dropped:
    """Return what the file at `path` is. Headers are read again if they may have changed."""
    try:
        _require_format(path)
        if path.suffix.lower() == GGUF:
            refuse_gguf(path)
        header = read_header(path)
        return Dropped(path.name, header.size, recognise(header), metadata=header.metadata)
    except Refused as reason:
        return Dropped(path.name, stamp[1], refused=reason)


def dropped(home: Path | str) -> Iterator[Dropped]:
    """Yield the files in the inbox by name, at most `MOST_FILES`. Hidden ones and pictures of models are left out."""
    try:
        with os.scandir(inbox(home)) as entries:
            found = sorted(entry.name for entry in entries if not _is_besides(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (look(home, name) for name in found[:MOST_FILES])


def waiting(home: Path | str) -> int:
    """Return how many files in the inbox could be approved."""
    return sum(file.found is not None for file in dropped(home))


def _is_besides(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_BESIDES)


def _require_format(path: Path) -> None:
    """Raise Refused, without opening it, if the name says that a file is of another format."""
    suffix = path.suffix.lower()
    if suffix in (".safetensors", GGUF) or path.is_symlink() or path.is_dir():
        return
    shown = names.cleaned(suffix, 20) or "–"
    if suffix in _PARTIAL:
        raise Refused("partial", suffix=shown)
    raise Refused("pickle" if suffix in _PICKLES else "other-format", suffix=shown)
