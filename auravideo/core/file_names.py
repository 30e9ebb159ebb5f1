"""Download file names derived from user input."""

from django.utils.text import slugify

_LOOKED_AT = 200  # characters; slugify only the start of a long prompt


def stem(text: str, otherwise: str = "", *, length: int = 60, unicode: bool = False) -> str:
    """Return a file name without its extension, at most `length` characters; `otherwise` if nothing of `text` is left.

    With `unicode`, keep letters of every script; otherwise ASCII only, for headers and old archivers.
    """
    return slugify(text[:_LOOKED_AT], allow_unicode=unicode)[:length].strip("-_") or otherwise
