"""Finds secrets where they do not belong: in logs, in what `docker inspect` shows, in images and in command lines."""

import json
from collections.abc import Iterable, Mapping

from tests.rigs.containers.engine import Engine

# grep ends with 1 if it finds nothing.
_SEARCH = 'grep --recursive --text --no-filename --only-matching --fixed-strings --file="$0" "$@" || [ $? = 1 ]'


def in_text(secrets: Mapping[str, str], text: str) -> set[str]:
    """Return the names of the secrets that a text contains, also as JSON or a URL would write them."""
    return {name for name, value in secrets.items() if any(form in text for form in _forms(value))}


def in_containers(engine: Engine, secrets: Mapping[str, str], names: Iterable[str]) -> dict[str, set[str]]:
    """Return the secrets in each container's configuration, log, command lines and changed files, by place."""
    found = {}
    for name in names:
        found[f"inspect {name}"] = in_text(secrets, engine.docker("inspect", name))
        found[f"logs {name}"] = in_text(secrets, engine.docker("logs", name, both=True))
        state = json.loads(engine.docker("inspect", "--format", "{{json .State}}", name))
        if state["Running"]:
            found[f"top {name}"] = in_text(secrets, engine.docker("top", name, "-eo", "pid,args"))
    return {place: names for place, names in found.items() if names}


def in_images(engine: Engine, secrets: Mapping[str, str], images: Iterable[str]) -> dict[str, set[str]]:
    """Return the secrets in each image's configuration and history, and in the files of all layers, by place."""
    found, layers = {}, set()
    for image in images:
        texts = engine.docker("image", "inspect", image)
        layers |= _layers(texts)
        found[f"image {image}"] = in_text(secrets, texts + engine.docker("history", "--no-trunc", image))
    patterns = engine.folder / "secret-patterns"
    patterns.write_text("\n".join(form for value in secrets.values() for form in _forms(value)) + "\n")
    # Read them where they are: `docker save` would copy gigabytes twice first.
    try:
        printed = engine.run("sh", "-c", _SEARCH, patterns, *sorted(layers), LC_ALL="C")
    finally:
        patterns.unlink()
    found["layers"] = in_text(secrets, printed)
    return {place: names for place, names in found.items() if names}


def _layers(inspected: str) -> set[str]:
    """Return the folders of an image's layers. Each has all of its files, also those that a later layer deletes."""
    folders: set[str] = set()
    for image in json.loads(inspected):
        paths = image["GraphDriver"]["Data"]
        folders |= {paths["UpperDir"], *paths.get("LowerDir", paths["UpperDir"]).split(":")}
    return folders


def _forms(value: str) -> set[str]:
    return {value, json.dumps(value)[1:-1]}
