"""What a file in the inbox is called on the form, and its ID in the catalogue."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from itertools import count

LONGEST_LABEL, LONGEST_TEXT, LONGEST_ID = 60, 200, 48
LONGEST_READ = 1000  # a file may hold megabytes of texts, and what is known of each file stays in memory
_READ = ("modelspec.title", "ss_output_name", "modelspec.description", "modelspec.trigger_phrase", "modelspec.license")


def used(texts: Mapping[str, object]) -> dict[str, str]:
    """Return the beginnings of those texts in a file that this module reads."""
    return {name: text[:LONGEST_READ] for name in _READ if isinstance(text := texts.get(name), str)}


def label(stem: str, metadata: Mapping[str, str]) -> str:
    """Return a name for people: the title in the file, or else its name without what stands for spaces."""
    title, output = metadata.get("modelspec.title", ""), metadata.get("ss_output_name", "")  # the latter is kohya's
    tries = (title if " " in title else title.replace("_", " "), output.replace("_", " "), stem.replace("_", " "))
    return next((text for each in tries if (text := cleaned(each, LONGEST_LABEL))), "?")


def purpose(metadata: Mapping[str, str], usual: str) -> str:
    """Return one sentence for the form: the file's own description, or `usual`; and the word that a LoRA needs."""
    description = metadata.get("modelspec.description", "")[:LONGEST_READ]
    text = cleaned(re.sub(r"<[^<>]*>", " ", description), LONGEST_TEXT) or usual
    trigger = cleaned(metadata.get("modelspec.trigger_phrase", ""), LONGEST_LABEL)
    return f'{text} Say "{trigger}" in the prompt.' if trigger else text


def licence(metadata: Mapping[str, str]) -> str:
    """Return the licence that the file states."""
    return cleaned(metadata.get("modelspec.license", ""), LONGEST_LABEL) or "not stated in the file"


def cleaned(text: str, most: int) -> str:
    """Return a text on one line, without control and formatting characters, at most `most` characters long."""
    plain = "".join(
        letter if letter.isprintable() else " " for letter in unicodedata.normalize("NFC", text[: 4 * most])
    )
    plain = " ".join(plain.split())
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def free_id(stem: str, taken: Collection[str]) -> str:
    """Return an ID of small letters, digits and hyphens that is not `taken`."""
    return next(id for id in _ids(stem) if id not in taken)


def _ids(stem: str) -> Iterator[str]:
    letters = unicodedata.normalize("NFKD", stem[:LONGEST_TEXT]).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:LONGEST_ID].strip("-") or "model"
    yield plain
    yield from (f"{plain}-{number}" for number in count(2))
