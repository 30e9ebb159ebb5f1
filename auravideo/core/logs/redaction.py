"""Keeps secrets out of finished log lines, whoever wrote them: our code, a library, or the text of an exception."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.conf import settings

MASK = "***"
_SHORTEST = 6  # a shorter secret is a word, and masking it would hide innocent text

# What cannot be known beforehand is recognised by what precedes it, which is kept.
_PATTERNS = tuple(
    re.compile(f"({before})(?:{secret})", re.IGNORECASE)
    for before, secret in (
        (r"://[^/\s:@\"']*:", r"[^/\s@\"']+(?=@)"),  # user:password@ in a URL
        (r"\b(?:bearer|basic)\s+", r"[\w.~+/=-]{6,}"),
        (r"(?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)(?:=|%3D)", r"[^&\s\"'<>]+"),
        (r"\b(?:sessionid|csrftoken|csrfmiddlewaretoken|messages)(?:=|[\"']?:\s*[\"']?)", r"[\w.:%+/=-]+"),
        (r"\b(?:password\d?|passwd|secret|token|api_?key)=", r"[^&\s\"'<>]+"),
        # Addresses that are secrets: unlisted links, links in emails.
        (r"/s/", r"[\w-]{20,}"),
        (r"/accounts/password/reset/key/", r"[\w:-]+"),
        (r"/accounts/confirm-email/", r"[\w:.-]+"),
    )
)


def redact(line: str) -> str:
    """Return the line with every secret masked."""
    if (known := _pattern(tuple(_known()))) is not None:
        line = known.sub(MASK, line)
    for pattern in _PATTERNS:
        line = pattern.sub(rf"\1{MASK}", line)
    return line


def _known() -> Iterator[str | None]:
    """Yield the site's own secrets, None for those that it does not have."""
    yield settings.SECRET_KEY
    yield from settings.SECRET_KEY_FALLBACKS
    yield settings.METRICS_TOKEN
    yield settings.EMAIL_HOST_PASSWORD
    for database in settings.DATABASES.values():
        yield database.get("PASSWORD")
    for storage in settings.STORAGES.values():
        options: dict[str, Any] = storage.get("OPTIONS", {})
        yield options.get("access_key")
        yield options.get("secret_key")


@lru_cache(maxsize=4)
def _pattern(secrets: Iterable[str | None]) -> re.Pattern[str] | None:
    """Return a pattern of the secrets as they may appear: plain, in a URL, in JSON, in a Python literal."""
    forms = {
        form
        for secret in secrets
        if secret and len(secret) >= _SHORTEST
        for form in (secret, quote(secret, safe=""), quote(secret), *_escaped(secret))
    }
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if forms else None


def _escaped(secret: str) -> tuple[str, ...]:
    return json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]
