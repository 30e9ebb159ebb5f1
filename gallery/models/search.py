"""What searches read: the words of each video, once for its owner's library and once for explore.

The number of a row rises with time, so that a search which goes through the rows from the end finds the newest first
and stops as soon as a page is full. SQLite searches a full-text table that triggers keep in step with this one
(migration 0004), PostgreSQL one index of the words and one in the order of time that holds them, too.
"""

import re
import unicodedata
from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models.video import Video

PUBLIC = "public"
_LONGEST = 100  # characters of a word that count; PostgreSQL takes 2046 bytes
_INDEXED_BYTES = 2500  # of a video's words; an index of PostgreSQL in the order of time takes rows of 2704
_NO_WORD = re.compile(r"[\W_]+")
# Scripts that put no space between words: every sign is searched for by itself.
_SIGN = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff])")
_UNDECOMPOSED = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe"})


def words_of(text: str) -> list[str]:
    """The words of a text as they are searched for, each once: small letters without accents, no punctuation.

    Both databases take them as they are: what is a letter is decided here alone.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_UNDECOMPOSED))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    words = _NO_WORD.sub(" ", _SIGN.sub(r" \1 ", bare)).split()
    return list(dict.fromkeys(word[:_LONGEST] for word in words))


def library_scope(user_id: int) -> str:
    return f"u{user_id}"


def scope_word(scope: str) -> str:
    """The scope as one more word of each of its rows, which the full-text table finds like the others."""
    return f"scope{scope}"


def indexed_text(scope: str, title: str, prompt: str) -> str:
    """What a row of the search holds of a video: its scope and its words, of a very long text the first."""
    kept, left = [], _INDEXED_BYTES
    for word in (scope_word(scope), *words_of(f"{title} {prompt}")):
        left -= 4 + len(word.encode())  # as PostgreSQL stores it in a tsvector
        if left < 0:
            break
        kept.append(word)
    return " ".join(kept)


class SearchDocManager(models.Manager["SearchDoc"]):
    def index(self, videos: Iterable[Video]) -> None:
        """Write the words of videos as they are now. A video keeps its places; called as often as one likes."""
        found = list(videos)
        present = {(doc.video_id, doc.scope): doc for doc in self.filter(video__in=[video.pk for video in found])}
        made, changed = [], []
        for video in found:
            for scope in self._scopes(video):
                doc = present.get((video.pk, scope))
                text = indexed_text(scope, video.title, video.prompt)
                if doc is None:
                    made.append(SearchDoc(video=video, scope=scope, text=text))
                elif doc.text != text:
                    doc.text = text
                    changed.append(doc)
        self.bulk_create(made)
        self.bulk_update(changed, ["text"])

    @staticmethod
    def _scopes(video: Video) -> list[str]:
        """What was public once keeps its row: whether it is found is decided when it is looked for."""
        return [library_scope(video.user_id), *([PUBLIC] if video.published_at else [])]


class SearchDoc(models.Model):
    """The words of one video within one scope: `PUBLIC`, or a person's library."""

    number = models.BigAutoField(_("number"), primary_key=True)
    video = models.ForeignKey(Video, models.CASCADE, related_name="docs", verbose_name=_("video"))
    scope = models.CharField(_("scope"), max_length=24)
    text = models.TextField(_("words"))

    objects = SearchDocManager()

    class Meta:
        verbose_name = _("search entry")
        verbose_name_plural = _("search entries")
        constraints = [models.UniqueConstraint(fields=["video", "scope"], name="searched_once")]

    def __str__(self) -> str:
        return str(self.pk)
