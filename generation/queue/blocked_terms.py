"""Words and phrases that are blocked in prompts; an operator lists them in the administration.

Matching is by whole words and ignores case, punctuation and white space. The negative prompt is not checked: it lists
things to keep out of the clip.
"""

import re
import unicodedata
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from generation.domain.prompt_syntax.templates import Lists
from generation.models import BlockedTerm
from generation.requests.drawing import possible_prompts
from generation.requests.prompts import options, readings
from generation.requests.request import InvalidRequest, RenderRequest

_WORD = re.compile(r"[^\W_]+")
# Invisible characters: Default_Ignorable_Code_Point except category Cf (DerivedCoreProperties.txt), and the blocks
# of combining marks that remain after NFKC because they form no precomposed letter.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u2065\ufff0-\ufff8\U000e0000-\U000e0fff"
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# Lowercase lookalikes of Latin letters (Unicode's confusables.txt); mapped only in words that also have Latin letters.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһԛԝӏαονιρτυ", "aeopcyxijsdhqwlaoviptu")
_LATIN = re.compile("[a-z]")


class BlockedPrompt(InvalidRequest):
    """A prompt that contains a blocked term."""

    def __init__(self, message: object) -> None:
        super().__init__({"prompt": [message]})


class BlockedTerms:
    """A snapshot of the blocked terms, for checking any number of prompts."""

    def __init__(self, terms: Iterable[tuple[str, str]]) -> None:
        """Index `terms`: (term, message) pairs, where an empty message means the site's default."""
        self._by_first_word: dict[str, list[tuple[list[str], str, str]]] = {}
        for term, message in terms:
            if words := words_of(term):
                self._by_first_word.setdefault(words[0], []).append((words, term, message))

    def check(self, prompt: str) -> None:
        """Raise BlockedPrompt, with the message for the user, if `prompt` contains one of the terms, however read."""
        if self._by_first_word:
            for text in readings(prompt):
                self._check_words(words_of(text))

    def check_template(self, template: str) -> None:
        """Raise BlockedPrompt if a piece of a template contains one of the terms, even if it is not drawn.

        The template is shown beside the clip.
        """
        for piece in options(template):
            self.check(piece)

    def check_all(self, request: RenderRequest, lists: Lists) -> None:
        """Raise BlockedPrompt if one of the request's drawings contains one of the terms.

        Of templates with very many drawings, some are checked here; each is checked when it is queued.
        """
        if self._by_first_word:
            self.check_template(request.engine_prompt)
            for prompt in possible_prompts(request, lists):
                self.check(prompt)

    def _check_words(self, words: list[str]) -> None:
        for start, word in enumerate(words):
            for term_words, term, message in self._by_first_word.get(word, ()):
                if words[start : start + len(term_words)] == term_words:
                    raise BlockedPrompt(message or _("This site does not render prompts that contain “%s”.") % term)


def load() -> BlockedTerms:
    """Return the active terms, in one query."""
    return BlockedTerms(BlockedTerm.objects.filter(is_active=True).values_list("term", "message"))


def words_of(text: str) -> list[str]:
    """Return the words of a text, normalized for comparison.

    Characters are NFKC-normalized and case-folded, invisible ones are dropped, and lookalike letters from other scripts
    are mapped to Latin in words that also have Latin letters.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(character for character in _UNSEEN.sub("", plain) if unicodedata.category(character) != "Cf")
    return [word.translate(_LOOKALIKES) if _LATIN.search(word) else word for word in _WORD.findall(seen)]
