"""Where 'create from this' may look: what a person may see, found by the kind of thing and its id.

The gallery adds its videos here when it starts (`register`), since generation does not know the gallery.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from accounts.models import User
from generation.jobs.selectors import jobs_of

Lookup = Callable[[Any, Any], Mapping[str, Any] | None]
_LOOKUPS: dict[str, tuple[Lookup, Callable[[str], Any]]] = {}


def register(name: str, lookup: Lookup, key: Callable[[str], Any] = UUID) -> None:
    """`lookup(user, id)` gives the stored request behind ?`name`=`id`, or None where this person may not see it.

    `key` reads the id from the address, and raises ValueError where there is none.
    """
    _LOOKUPS[name] = (lookup, key)


def find(user: User, parameters: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The stored request that the parameters of an address name, with its seed; None where there is none to be seen."""
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
