"""Registry of sources for "create from this": lookups by kind and ID, limited to what the user may see.

The gallery registers its videos at startup (`register`), since generation must not import the gallery.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from accounts.models import User
from generation.jobs.selectors import jobs_of

Stored = Mapping[str, Any]
Found = tuple[Stored, Stored | None]
Lookup = Callable[[Any, Any], Found | None]
_LOOKUPS: dict[str, tuple[Lookup, Callable[[str], Any]]] = {}


def register(name: str, lookup: Lookup, key: Callable[[str], Any] = UUID) -> None:
    """Register `lookup(user, id)`, which returns what is stored for ?`name`=`id`; None if hidden from the user.

    That is the request, and the plan with which it was rendered, which is None if the job is gone. `key` parses the ID
    from the query string and raises ValueError if it is missing or malformed.
    """
    _LOOKUPS[name] = (lookup, key)


def find(user: User, parameters: Mapping[str, str]) -> Stored | None:
    """Return the stored request named by the query parameters, with its seed; None if the user cannot see one."""
    found = find_with_plan(user, parameters)
    return found[0] if found is not None else None


def find_with_plan(user: User, parameters: Mapping[str, str]) -> Found | None:
    """Return the same, with the plan with which the request was rendered, as far as that is known."""
    for name, (lookup, key) in _LOOKUPS.items():
        try:
            id = key(parameters.get(name, ""))
        except ValueError:
            continue
        return lookup(user, id)
    return None


def _job(user: User, id: UUID) -> Found | None:
    job = jobs_of(user).filter(pk=id).first()
    return (job.stored_request, job.plan) if job else None


register("from", _job)
