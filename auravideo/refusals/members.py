"""Who of those behind an address is known, and pays from a budget of their own: a pupil of a school, say.

Who they are says the cookie of a browser that has signed in (accounts/sign_in/devices.py), because looking up a session
cost what is to be saved. It is signed, but may outlast the session. So a request that turns out to be somebody else's,
or nobody's, ends this for a while, and so does using the budget up: a flood gains nothing by many accounts. Of one
address, only so many are known at a time.
"""

import threading
import time
from collections.abc import Callable

from accounts.sign_in import devices
from auravideo.refusals.budgets import Budgets, Payer

SEATS = 30  # people who are known at one address at a time: a school class
SEAT_SECONDS = 900.0  # since somebody's last request, after which another one may have the seat
BARRED_SECONDS = 900.0  # for which somebody pays as a stranger who has misbehaved, or is not signed in
KEPT = 10_000  # addresses and people


class Members:
    """The people who are known, by the ID of their accounts. Safe to use from several threads."""

    def __init__(self, budgets: Budgets, clock: Callable[[], float] = time.monotonic) -> None:
        self._budgets, self._clock = budgets, clock
        self._lock = threading.Lock()
        self._barred: dict[int, float] = {}  # until when, for a flood
        self._signed_out: dict[int, float] = {}  # until when, because the browser is not signed in
        self._seats: dict[str, dict[int, float]] = {}  # by address: when each person was last here

    def payer(self, address: str, person: int) -> Payer:
        """Return who pays for a request from an address, whose browser has signed in to an account; 0 if to none."""
        if not person:
            return Payer(address)
        with self._lock:
            now = self._clock()
            if self._budgets.owes(person):
                _put(self._barred, person, now + BARRED_SECONDS, now)
                self._seats.get(address, {}).pop(person, None)
            is_barred = max(self._barred.get(person, now), self._signed_out.get(person, now)) > now
            if is_barred or not self._has_seat(address, person, now):
                return Payer(address)
            people = sum(now - at < SEAT_SECONDS for at in self._seats[address].values())
            return Payer(address, person) if self._budgets.has_share(address, person, people) else Payer(address)

    def note(self, person: int, *, is_signed_in: bool) -> None:
        """Note whether the browser of a request that was served is signed in to the account."""
        with self._lock:
            now = self._clock()
            if is_signed_in:
                self._signed_out.pop(person, None)
            else:
                _put(self._signed_out, person, now + BARRED_SECONDS, now)

    def _has_seat(self, address: str, person: int, now: float) -> bool:
        if address not in self._seats and len(self._seats) >= KEPT:
            self._seats = {place: them for place, them in self._seats.items() if now - _last(them) < SEAT_SECONDS}
            self._seats = self._seats if len(self._seats) < KEPT else {}
        seats = self._seats.setdefault(address, {})
        if person not in seats and len(seats) >= SEATS:
            oldest = min(seats, key=seats.__getitem__)
            if now - seats[oldest] < SEAT_SECONDS:
                return False
            del seats[oldest]
        seats[person] = now
        return True


def _last(seats: dict[int, float]) -> float:
    return max(seats.values(), default=float("-inf"))


def _put(ends: dict[int, float], person: int, end: float, now: float) -> None:
    if len(ends) >= KEPT:
        for known in [known for known, over in ends.items() if over <= now] or list(ends):
            del ends[known]
    ends[person] = end


def person_of(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the account that a browser has signed in to last; 0 if there is none."""
    people = people_of(headers)
    return people[-1] if people else 0


def people_of(headers: list[tuple[bytes, bytes]]) -> tuple[int, ...]:
    """Return all accounts that a browser has signed in to, the latest one last."""
    for name, value in headers:
        if name == b"cookie" and (people := devices.accounts_in(value)):
            return people
    return ()
