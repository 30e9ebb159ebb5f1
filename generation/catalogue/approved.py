"""The generated catalogue file of what staff approved from the inbox: `models/approved.toml` in AURAVIDEO_HOME.

It is merged between our catalogue and the operator's, which may therefore override its entries. This module alone
writes it, so an operator's own file keeps its comments.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auravideo.core.files import replace_text
from generation.catalogue.load import CatalogueError, load_catalogue

Entries = Mapping[str, Mapping[str, Mapping[str, Any]]]  # fields by ID by kind

_HEAD = """# Written by AuraVideo: what staff approved from models/inbox. To change a field, put an entry with the
# same ID into the file that AURAVIDEO_CATALOGUE names.
"""


def path(home: Path | str) -> Path:
    """Return the path of the file; there may be none."""
    return Path(home) / "models" / "approved.toml"


def read(home: Path | str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the entries by kind and ID.

    Raises:
        CatalogueError: somebody has edited the file, and it is no longer what `write` writes.
    """
    try:
        found = tomllib.loads(path(home).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CatalogueError(f"{path(home)}: this cannot be read ({error})") from error
    for kind, named in found.items():
        for id, fields in named.items() if isinstance(named, dict) else [(kind, None)]:
            if not isinstance(fields, dict) or not all(map(_is_name, (id, fields.get("weights")))):
                raise CatalogueError(f"{path(home)}: '{id}' is no entry of a file in a folder of that name")
    return found


def _is_name(value: Any) -> bool:
    """Return whether a value is the name of a file or folder, which leads nowhere else."""
    return isinstance(value, str) and value not in ("", "..") and Path(value).name == value


def write(home: Path | str, entries: Entries, own: Path | str | None) -> None:
    """Replace the file, if the catalogue is valid with it. The whole is replaced atomically.

    Args:
        own: the operator's file, which may refer to the entries.

    Raises:
        CatalogueError: the catalogue would not be valid; the file is as it was.
    """
    file = path(home)
    trial = file.with_name(f".trial-{file.name}")
    text = as_toml(entries)
    try:
        replace_text(trial, text)
        load_catalogue(own, trial)
    finally:
        trial.unlink(missing_ok=True)
    replace_text(file, text)


def as_toml(entries: Entries) -> str:
    """Return entries as TOML: tables of texts, numbers, flags, lists of texts, and tables of those."""
    tables = [
        f"[{kind}.{_text(id)}]\n" + "".join(f"{name} = {_value(value)}\n" for name, value in fields.items())
        for kind, named in entries.items()
        for id, fields in named.items()
    ]
    return "\n".join([_HEAD, *tables])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(name)} = {_value(each)}" for name, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    # A JSON string is a basic string of TOML, if it has no surrogates and no DEL; ours are printable.
    return json.dumps(value, ensure_ascii=False)
