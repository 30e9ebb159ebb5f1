"""Approving files of the inbox, and taking that back.

An approved file moves to `models/<id>/`, out of a folder that others may write to, and becomes an entry of
`models/approved.toml` with its SHA-256. Workers compare that before they load the file, and refuse another one.
"""

import contextlib
import errno
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auravideo.core.files import beside, locked, replace_text
from generation.catalogue import approved
from generation.catalogue.load import BaseModel, Catalogue, CatalogueError, load_catalogue
from generation.catalogue.lockfile import file_sha256
from generation.inbox import names
from generation.inbox.folder import Dropped, inbox, look
from generation.inbox.headers import read_header
from generation.inbox.reasons import Refused
from generation.inbox.recognise import Found, recognise

logger = logging.getLogger(__name__)

GB = 10**9
_SPARE_BYTES = 2**28
_WORD = re.compile(r"<?[\w.-]{1,58}>?")
_EARLIER = ".approved.json"  # the SHA-256 of every file that was ever approved, by ID
_USUAL_PURPOSE = {
    "models": "A checkpoint from the inbox.",
    "adapters": "Motion modules from the inbox.",
    "loras": "A camera move from the inbox.",
    "styles": "A style from the inbox.",
    "vaes": "A VAE from the inbox.",
    "embeddings": "A textual inversion from the inbox.",
}
# What a checkpoint's entry takes from the one that it is like.
_LIKE = ("native_size", "min_size", "native_fps", "steps", "guidance", "interpolator", "upscaler", "max_prompt_tokens")


def approve(home: Path | str, own: Path | str | None, name: str) -> str:
    """Let the file `name` in the inbox be used, and return the ID of its entry.

    Args:
        home: AURAVIDEO_HOME.
        own: the operator's catalogue file, if there is one.

    Raises:
        Refused: the file cannot be used, or the disk is full; it stays where it is.
    """
    with _alone(home):
        file = look(home, name)
        if file.refused is not None or file.found is None:
            raise file.refused or Refused("gone")
        catalogue = _catalogue(home, own)
        digest = file_sha256(inbox(home) / name)
        id = names.free_id(Path(name).stem, _taken(home, catalogue, digest))
        source, target = inbox(home) / name, Path(home) / "models" / id / f"{id}.safetensors"
        target.parent.mkdir()
        with _undone(target, source):
            _move(source, target)
            header = read_header(target)
            if (recognise(header), header.metadata) != (file.found, file.metadata):
                raise Refused("changed")
            fields = _fields(file, file.found, target.name, digest, catalogue)
            entries = approved.read(home)
            entries.setdefault(file.found.kind, {})[id] = fields
            _write(home, entries, own)
        _remember(home, id, digest)
    logger.info("The file %s of the inbox is approved as %s '%s'", name, file.found.kind, id)
    return id


def withdraw(home: Path | str, own: Path | str | None, id: str) -> Path:
    """Take an approval back: the entry goes, and its file returns to the inbox, whose path is returned.

    Raises:
        Refused: there is no such entry, or another one needs it.
    """
    with _alone(home):
        try:
            entries = approved.read(home)
        except CatalogueError as error:
            raise Refused("catalogue", problem=error) from error
        kind = next((kind for kind, named in entries.items() if id in named), None)
        if kind is None:
            raise Refused("not-approved")
        fields = entries[kind].pop(id)
        _write(home, entries, own)
        folder = Path(home) / "models" / id
        source, target = folder / str(fields["weights"]), _unused(inbox(home) / str(fields["weights"]))
        with contextlib.suppress(FileNotFoundError):  # somebody has deleted the file
            target.parent.mkdir(exist_ok=True)
            _move(source, target)
            folder.rmdir()
    logger.info("The approval of %s '%s' is withdrawn", kind, id)
    return target


def approvals(home: Path | str, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return ID, kind, label and `command` (see there) of what is approved; nothing if the file cannot be read."""
    try:
        found = approved.read(home)
    except CatalogueError:
        return []
    return [
        {"id": id, "kind": kind, "label": fields.get("label", id), "command": command(home, catalogue, id)}
        for kind, named in found.items()
        for id, fields in named.items()
    ]


def command(home: Path | str, catalogue: Catalogue, id: str) -> str:
    """Return the command that fetches what an entry needs and is not here; empty if nothing is missing."""
    try:
        needed = catalogue.with_needs(id)
    except KeyError:  # a mistake in the operator's file, so that the catalogue is an earlier one
        return ""
    return "" if all(entry.is_available(home) for entry in needed) else catalogue[id].command


@contextlib.contextmanager
def _alone(home: Path | str) -> Iterator[None]:
    models = Path(home) / "models"
    try:
        models.mkdir(parents=True, exist_ok=True)
        with locked(models / ".approving"):
            yield
    except OSError as error:
        raise Refused("failed", problem=error.strerror or error) from error


def _catalogue(home: Path | str, own: Path | str | None) -> Catalogue:
    try:
        return load_catalogue(own, approved.path(home))
    except CatalogueError as error:
        raise Refused("catalogue", problem=error) from error


def _write(home: Path | str, entries: approved.Entries, own: Path | str | None) -> None:
    try:
        approved.write(home, entries, own)
    except CatalogueError as error:
        raise Refused("catalogue", problem=error) from error


@contextlib.contextmanager
def _undone(target: Path, source: Path) -> Iterator[None]:
    """Put the file back if the block raises, and leave no empty folder."""
    try:
        yield
    except BaseException:
        if os.path.lexists(target) and not os.path.lexists(source):
            _move(target, source)
        with contextlib.suppress(OSError):
            target.parent.rmdir()
        raise


def _taken(home: Path | str, catalogue: Catalogue, digest: str) -> set[str]:
    """Return the IDs that cannot be given to a file of this SHA-256: workers may still hold another one of that ID."""
    others = {id for id, known in _remembered(home).items() if known != digest}
    return {*others, *(entry.id for entry in catalogue), *(path.name for path in (Path(home) / "models").iterdir())}


def _remembered(home: Path | str) -> dict[str, str]:
    try:
        found = json.loads((Path(home) / "models" / _EARLIER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(home: Path | str, id: str, digest: str) -> None:
    text = json.dumps({**_remembered(home), id: digest}, indent=0, sort_keys=True)
    replace_text(Path(home) / "models" / _EARLIER, text)


def _move(source: Path, target: Path) -> None:
    """Move a file, by copying if the folders are on different disks."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        needed, free = source.lstat().st_size + _SPARE_BYTES, shutil.disk_usage(target.parent).free
        if needed > free:
            sizes = {"needed": f"{needed / GB:.1f}", "free": f"{free / GB:.1f}"}
            raise Refused("no-room", folder=target.parent.parent, **sizes) from error
        with beside(target) as part:
            shutil.copyfile(source, part, follow_symlinks=False)
            part.replace(target)
        source.unlink()


def _unused(path: Path) -> Path:
    """Return `path`, or one beside it, at which there is nothing."""
    taken = {each.stem for each in path.parent.glob(f"{path.stem}*")}
    return path.with_stem(names.free_id(path.stem, taken)) if path.stem in taken else path


def _fields(file: Dropped, found: Found, weights: str, digest: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return the fields of an entry."""
    return {
        "label": _free_label(file.label, {entry.english_label for entry in catalogue}),
        "purpose": names.purpose(file.metadata, _USUAL_PURPOSE[found.kind]),
        "family": found.family.id,
        "weights": weights,
        "sha256": {weights: digest},
        "licence": names.licence(file.metadata),
        **({"word": _word(file, found)} if found.kind == "embeddings" else {}),
        **_of_kind(found, catalogue),
    }


def _of_kind(found: Found, catalogue: Catalogue) -> Mapping[str, Any]:
    family = found.family
    if found.kind == "models":
        like = catalogue.models[family.like]
        vae = {"vae": family.vae} if found.needs_vae and family.vae else {}
        return {**_like(like), "adapter": family.adapter, "configuration": family.configuration, **vae}
    if found.kind == "adapters":
        usual = catalogue.adapters[family.adapter]
        window = min(usual.context_length, found.frames)
        return {
            "context_length": window,
            "context_stride": min(usual.context_stride, window),
            "max_frames": found.frames,
        }
    if found.kind == "loras":
        return {"adapters": [family.adapter]}
    return {"configuration": family.configuration} if found.kind == "vaes" else {}


def _word(file: Dropped, found: Found) -> str:
    """Return the word that stands for an embedding in prompts: its own, or the file's name, as is usual."""
    return found.word if _WORD.fullmatch(found.word) else re.sub(r"[^\w.-]+", "-", Path(file.name).stem)[:58].strip("-")


def _like(model: BaseModel) -> dict[str, Any]:
    sizes = {aspect: f"{width}x{height}" for aspect, (width, height) in model.native_sizes.items()}
    settings = {name: getattr(model, name) for name in _LIKE}
    return {**settings, **({"native_sizes": sizes} if sizes else {}), "scheduler": dict(model.scheduler)}


def _free_label(label: str, taken: set[str]) -> str:
    """Return a label that no other entry has."""
    tries = (label, *(f"{label} ({number})" for number in range(2, len(taken) + 3)))
    return next(one for one in tries if one not in taken)
