"""The words and phrases that no prompt may hold on this site: an operator lists them in the administration.

Whole words are compared, whatever their case, their punctuation and the white space between them. The negative prompt
is not looked at: it says what must not be seen.
"""

import re
import unicodedata
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from generation.models import BlockedTerm
from generation.requests.request import InvalidRequest

_WORD = re.compile(r"[^\W_]+")
# What a reader does not see: Unicode's Default_Ignorable_Code_Point as far as it is not "Cf" (DerivedCoreProperties),
# and the marks that are combined with a letter without making another one of it (the blocks of combining marks).
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u2065\ufff0-\ufff8\U000e0000-\U000e0fff"
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# Small letters that look like Latin ones (Unicode's confusables.txt); only where Latin ones stand beside them.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһԛԝӏαονιρτυ", "aeopcyxijsdhqwlaoviptu")
_LATIN = re.compile("[a-z]")


class BlockedPrompt(InvalidRequest):
    """A prompt holds what is not rendered here."""

    def __init__(self, message: object) -> None:
        super().__init__({"prompt": [message]})


class BlockedTerms:
    """The terms as they are now, read once, for as many prompts as one likes."""

    def __init__(self, terms: Iterable[tuple[str, str]]) -> None:
        """`terms`: (term, message) pairs; an empty message means the site's own."""
        self._by_first_word: dict[str, list[tuple[list[str], str, str]]] = {}
        for term, message in terms:
            if words := words_of(term):
                self._by_first_word.setdefault(words[0], []).append((words, term, message))

    def check(self, prompt: str) -> None:
        """Raises BlockedPrompt, with the message for the person, when `prompt` holds one of the terms."""
        words = words_of(prompt) if self._by_first_word else []
        for start, word in enumerate(words):
            for term_words, term, message in self._by_first_word.get(word, ()):
                if words[start : start + len(term_words)] == term_words:
                    raise BlockedPrompt(message or _("This site does not render prompts that contain “%s”.") % term)


def load() -> BlockedTerms:
    """The terms that are active, in one query."""
    return BlockedTerms(BlockedTerm.objects.filter(is_active=True).values_list("term", "message"))


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: one spelling of each character, no case, nothing invisible, and no
    letters of another script that only look like those around them."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(character for character in _UNSEEN.sub("", plain) if unicodedata.category(character) != "Cf")
    return [word.translate(_LOOKALIKES) if _LATIN.search(word) else word for word in _WORD.findall(seen)]
