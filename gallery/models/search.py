"""The search index: the words of each video, once for its owner's library and once for Explore.

Row numbers increase with time, so a search that reads the rows from the end finds the newest first and stops as soon as
a page is full. SQLite searches a full-text table that triggers keep in sync with this one (migration 0004). PostgreSQL
has a GIN index of the words, and a covering index in time order that includes them.
"""

import re
import unicodedata
from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models.disclosed import is_of_prompt
from gallery.models.video import Video

PUBLIC = "public"
_LONGEST = 100  # characters of a word that are indexed; PostgreSQL's limit is 2046 bytes
_INDEXED_BYTES = 2500  # per video; rows of PostgreSQL's time-ordered index are limited to 2704
_NO_WORD = re.compile(r"[\W_]+")
# Scripts without spaces between words: each character is indexed by itself.
_SIGN = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff])")
_UNDECOMPOSED = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe"})


def words_of(text: str) -> list[str]:
    """Return the distinct search words of a text: lower case, without accents or punctuation.

    Both databases take them verbatim, so tokenization is defined here and nowhere else.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_UNDECOMPOSED))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    words = _NO_WORD.sub(" ", _SIGN.sub(r" \1 ", bare)).split()
    return list(dict.fromkeys(word[:_LONGEST] for word in words))


def library_scope(user_id: int) -> str:
    return f"u{user_id}"


def scope_word(scope: str) -> str:
    """Return the scope as an extra word of each of its rows, so that the full-text index can match it."""
    return f"scope{scope}"


def indexed_text(scope: str, title: str, prompt: str) -> str:
    """Return the text of a search row: the scope, then as many of the video's words as fit into the limit."""
    kept, left = [], _INDEXED_BYTES
    for word in (scope_word(scope), *words_of(f"{title} {prompt}")):
        left -= 4 + len(word.encode())  # as PostgreSQL stores it in a tsvector
        if left < 0:
            break
        kept.append(word)
    return " ".join(kept)


def _words_in(scope: str, video: Video) -> tuple[str, str]:
    """Return title and prompt as they may be found in a scope: in public, only what the owner shows."""
    if scope != PUBLIC:
        return video.title, video.prompt
    if video.shows_prompt:
        return video.title, video.prompt
    return "" if is_of_prompt(video.title, video.prompt) else video.title, ""


class SearchDocManager(models.Manager["SearchDoc"]):
    def index(self, videos: Iterable[Video]) -> None:
        """Index the current words of the videos. Idempotent; existing rows keep their number."""
        found = list(videos)
        present = {(doc.video_id, doc.scope): doc for doc in self.filter(video__in=[video.pk for video in found])}
        made, changed = [], []
        for video in found:
            for scope in self._scopes(video):
                doc = present.get((video.pk, scope))
                text = indexed_text(scope, *_words_in(scope, video))
                if doc is None:
                    made.append(SearchDoc(video=video, scope=scope, text=text))
                elif doc.text != text:
                    doc.text = text
                    changed.append(doc)
        self.bulk_create(made)
        self.bulk_update(changed, ["text"])

    @staticmethod
    def _scopes(video: Video) -> list[str]:
        """Return the scopes to index. A once-public video keeps its row; visibility is checked when searching."""
        return [library_scope(video.user_id), *([PUBLIC] if video.published_at else [])]


class SearchDoc(models.Model):
    """The words of one video in one scope: `PUBLIC`, or a user's library."""

    number = models.BigAutoField(_("number"), primary_key=True)
    video = models.ForeignKey(Video, models.CASCADE, related_name="docs", verbose_name=_("clip"))
    scope = models.CharField(_("scope"), max_length=24)
    text = models.TextField(_("words"))

    objects = SearchDocManager()

    class Meta:
        verbose_name = _("search entry")
        verbose_name_plural = _("search entries")
        constraints = [models.UniqueConstraint(fields=["video", "scope"], name="searched_once")]

    def __str__(self) -> str:
        return str(self.pk)
