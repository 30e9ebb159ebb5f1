"""Finds secrets where they do not belong: in logs, in what `docker inspect` shows, in images and in command lines."""

import json
from collections.abc import Iterable, Mapping

from tests.rigs.containers.engine import Engine

# grep ends with 1 if it finds nothing.
_SEARCH = """
docker save "$@" | grep --text --only-matching --fixed-strings --file="$0"
status=("${PIPESTATUS[@]}"); [ "${status[0]}" = 0 ] && [ "${status[1]}" -le 1 ]
"""


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
    images = list(images)
    found = {}
    for image in images:
        texts = engine.docker("image", "inspect", image) + engine.docker("history", "--no-trunc", image)
        found[f"image {image}"] = in_text(secrets, texts)
    patterns = engine.folder / "secret-patterns"
    patterns.write_text("\n".join(form for value in secrets.values() for form in _forms(value)) + "\n")
    # Layers are stored once for all images and not compressed, so their text can be searched as it is.
    try:
        printed = engine.run("bash", "-c", _SEARCH, patterns, *images)
    finally:
        patterns.unlink()
    found["layers"] = in_text(secrets, printed)
    return {place: names for place, names in found.items() if names}


def _forms(value: str) -> set[str]:
    return {value, json.dumps(value)[1:-1]}
