"""Download file names derived from user input."""

from django.utils.text import slugify

_LOOKED_AT = 200  # characters; slugify only the start of a long prompt


def stem(text: str, otherwise: str = "", *, length: int = 60) -> str:
    """Return a file name without its extension, at most `length` characters; `otherwise` if nothing of `text` is left.

    It keeps the letters of every script. Headers encode them (RFC 5987) and zip files mark them as UTF-8.
    """
    return slugify(text[:_LOOKED_AT], allow_unicode=True)[:length].strip("-_") or otherwise
