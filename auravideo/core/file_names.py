"""Names of files that people save, made of what they typed."""

from django.utils.text import slugify

_LOOKED_AT = 200  # characters; a prompt may be long, and only its beginning fits


def stem(text: str, otherwise: str = "", *, length: int = 60, unicode: bool = False) -> str:
    """Return a file name without an ending, of at most `length` characters; `otherwise` if nothing of `text` is left.

    With `unicode`, letters of every script stay; without, only those of ASCII do, for headers and old archivers.
    """
    return slugify(text[:_LOOKED_AT], allow_unicode=unicode)[:length].strip("-_") or otherwise
