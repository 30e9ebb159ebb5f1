"""How much finished clips take up. Whoever keeps them (the gallery) registers how to count it."""

from collections.abc import Callable, Collection, Mapping

# Takes the IDs of users, or None for all; returns the bytes of each one's clips.
Count = Callable[[Collection[int] | None], Mapping[int, int]]

_counts: list[Count] = []


def register(count: Count) -> None:
    _counts.append(count)


def bytes_by_user(user_ids: Collection[int] | None = None) -> dict[int, int]:
    """Return the bytes that users' finished clips take up; users without any may be missing."""
    found: dict[int, int] = {}
    for count in _counts:
        for user_id, size in count(user_ids).items():
            found[user_id] = found.get(user_id, 0) + size
    return found


def bytes_of(user_id: int) -> int:
    return bytes_by_user([user_id]).get(user_id, 0)
