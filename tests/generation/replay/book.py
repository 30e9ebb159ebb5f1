"""The file of recorded cases. Common values are stored once, which keeps it small and readable."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("posts.json")

# Operator catalogue for the cases with `"world": true`: more models, a few-step adapter and camera motions.
CATALOGUE = """
[models.other]
label = "Other world"
purpose = "Another one."
family = "tiny"
builtin = true
folder = "text-to-video"
licence = "as AuraVideo"
native_size = 64
min_size = 64
native_fps = 8
steps = 20
guidance = 5.0
scheduler = { class = "DDIMScheduler" }
adapter = "still"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
files = ["model_index.json"]

[models.broad]
label = "Broad"
purpose = "Large frames, at twice the usual rate."
family = "tiny"
builtin = true
folder = "text-to-video"
licence = "as AuraVideo"
native_size = 512
min_size = 256
native_fps = 16
steps = 25
guidance = 7.5
scheduler = { class = "DDIMScheduler" }
adapter = "tiny-motion"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
files = ["model_index.json"]

[adapters.still]
label = "Still"
purpose = "Hardly moves, in few steps."
family = "tiny"
builtin = true
folder = "motion-adapter"
licence = "as AuraVideo"
context_length = 17
context_stride = 4
max_frames = 32
steps = 4
guidance = 1.0

[loras.push]
label = "Push"
purpose = "The camera moves in."
family = "tiny"
builtin = true
folder = "motion-adapter"
weights = "config.json"
adapters = ["tiny-motion"]
licence = "as AuraVideo"

[loras.tilt]
label = "Tilt"
purpose = "The camera tilts."
family = "tiny"
builtin = true
folder = "motion-adapter"
weights = "config.json"
adapters = ["tiny-motion", "still"]
licence = "as AuraVideo"

[loras.away]
label = "Away"
purpose = "Is not on this machine."
family = "tiny"
repo = "nobody/away"
adapters = ["tiny-motion"]
licence = "as AuraVideo"
"""


def read() -> list[dict[str, Any]]:
    """Return the recorded cases, each with the `outcomes` of its steps."""
    book = json.loads(FILE.read_text())
    for place, name, found in _parts(book["cases"]):
        if name in ("plan", "sent"):
            place[name] = book[name][found]
        else:
            place[name] = _restored(found, book["usual"][_kind(place, name)])
    return book["cases"]


def write(cases: list[dict[str, Any]]) -> None:
    """Write cases with their outcomes to the file."""
    tables: dict[str, list[Any]] = {"plan": [], "sent": []}
    likes: dict[str, list[Any]] = {}
    parts = list(_parts(cases))
    for place, name, found in parts:
        if name not in tables:
            likes.setdefault(_kind(place, name), []).append(found)
    usual = {kind: _usual(found) for kind, found in sorted(likes.items())}
    for place, name, found in parts:
        if name not in tables:
            place[name] = _differing(found, usual[_kind(place, name)])
            continue
        if found not in tables[name]:
            tables[name].append(found)
        place[name] = tables[name].index(found)
    lists = {**tables, "cases": cases}
    body = ",\n".join(f'"{name}": [\n{_rows(values)}\n]' for name, values in lists.items())
    FILE.write_text(f'{{\n"usual": {json.dumps(usual, indent=1)},\n{body}\n}}\n')


def _parts(cases: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Yield (container, key, value) of every deduplicated value."""
    for case in cases:
        for step in case["steps"]:
            if "data" in step:
                yield step, "data", step["data"]
        for outcome in case["outcomes"]:
            for job in outcome.get("jobs", ()):
                yield job, "request", job["request"]
                yield job, "plan", job["plan"]
            for name in ("form", "sent"):
                if name in outcome:
                    yield outcome, name, outcome[name]


def _kind(place: Mapping[str, Any], name: str) -> str:
    """Return the group with which a value shares defaults: data per URL, all requests, or all forms."""
    return f"data for {place['post']}" if name == "data" else name


def _rows(values: list[Any]) -> str:
    return ",\n".join(map(_line, values))


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _usual(found: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the most frequent value of each field."""
    usual: dict[str, Any] = {}
    for name in sorted({name for one in found for name in one}):
        values = [json.dumps(one[name]) for one in found if name in one]
        usual[name] = json.loads(max(sorted(set(values)), key=values.count))
    return usual


def _differing(found: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from the usual values; "-" lists the usual fields that are missing."""
    missing = sorted(set(usual) - set(found))
    different = {name: value for name, value in found.items() if name not in usual or value != usual[name]}
    return {**different, **({"-": missing} if missing else {})}


def _restored(different: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    missing = different.get("-", ())
    found = {name: value for name, value in usual.items() if name not in missing}
    return {**found, **{name: value for name, value in different.items() if name != "-"}}
