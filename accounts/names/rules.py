"""The rules for usernames and full names, as validators that name what is wrong."""

import re
import unicodedata
from functools import cache
from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.names.skeletons import is_of_one_script, skeletons
from auravideo.core.forms import refuse_hidden

_DIGITS = str.maketrans("013457", "oieast")  # as in `adm1n`
_SEPARATORS = re.compile(r"[\W_]+")


def validate_letters(username: str) -> None:
    """Validate that a username is all visible and of one script, so that no letter is a lookalike of another.

    It has a letter or a digit: `..` would be another folder in the address of a profile.
    """
    refuse_hidden(username)
    if not any(character.isalnum() for character in username):
        raise ValidationError(_("A username needs a letter or a digit."), code="only_marks")
    if not is_of_one_script(unicodedata.normalize("NFKC", username)):
        raise ValidationError(_("All letters of a username must be from the same alphabet."), code="mixed_scripts")


def validate_full_name(name: str) -> None:
    """Validate a displayed name: it may have words of several scripts, but no word that mixes them."""
    refuse_hidden(name)
    for word in name.split():
        if not is_of_one_script(unicodedata.normalize("NFKC", word)):
            raise ValidationError(_("All letters of a word must be from the same alphabet."), code="mixed_scripts")


def is_reserved(username: str) -> bool:
    """Return whether a username, or what it looks like, is kept for the operator (reserved.txt)."""
    words = _SEPARATORS.split(username)
    whole = ["".join(words), *(["".join(words[1:])] if words[0].lower() == "the" else [])]
    return _is_in("other", whole) or sounds_official(username)


def sounds_official(name: str) -> bool:
    """Return whether a part of a name claims to speak for the site."""
    words = [_SEPARATORS.sub("", name), *_SEPARATORS.split(name)]
    return _is_in("official", [*words, *(word[:-1] for word in words if word.endswith(("s", "S")))])


def _is_in(section: str, words: list[str]) -> bool:
    reserved = _reserved(section)
    plain = {each for word in words for each in (word, _without_accents(word))}
    spellings = {each for word in plain for each in (word, word.rstrip("0123456789"), word.translate(_DIGITS)) if each}
    return any(not reserved.isdisjoint(skeletons(spelling)) for spelling in spellings)


def _without_accents(word: str) -> str:
    """Return a word without the marks on its letters, which a reader overlooks: `admiń` is `admin`."""
    return "".join(one for one in unicodedata.normalize("NFD", word) if not unicodedata.combining(one))


@cache
def _reserved(section: str) -> frozenset[str]:
    """Return the skeletons of a section's names."""
    text = (Path(__file__).parent / "reserved.txt").read_text(encoding="utf-8")
    words = text.partition(f"[{section}]\n")[2].partition("\n[")[0].split()
    return frozenset(skeleton for word in words for skeleton in skeletons(word))
