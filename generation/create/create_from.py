"""Registry of sources for "create from this": lookups by kind and ID, limited to what the user may see.

The gallery registers its videos at startup (`register`), since generation must not import the gallery.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from accounts.models import User
from generation.jobs.selectors import jobs_of

Lookup = Callable[[Any, Any], Mapping[str, Any] | None]
_LOOKUPS: dict[str, tuple[Lookup, Callable[[str], Any]]] = {}


def register(name: str, lookup: Lookup, key: Callable[[str], Any] = UUID) -> None:
    """Register `lookup(user, id)`, which returns the stored request for ?`name`=`id`; None if hidden from the user.

    `key` parses the ID from the query string and raises ValueError if it is missing or malformed.
    """
    _LOOKUPS[name] = (lookup, key)


def find(user: User, parameters: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return the stored request named by the query parameters, with its seed; None if the user cannot see one."""
    for name, (lookup, key) in _LOOKUPS.items():
        try:
            id = key(parameters.get(name, ""))
        except ValueError:
            continue
        return lookup(user, id)
    return None


def _job(user: User, id: UUID) -> Mapping[str, Any] | None:
    job = jobs_of(user).filter(pk=id).first()
    return job.stored_request if job else None


register("from", _job)
