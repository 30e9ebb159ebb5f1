"""How much computing a web process does for each network address before it serves others first.

An address earns computing time while time passes, and saves a few seconds of it: more than a person uses who clicks as
fast as they can. What it asks for is charged at once, by what such requests have taken before, whether or not they are
served; what they really took settles it. So whoever floods the site is in debt within a second, until they stop.

Nobody is held back who is alone on the site: a private one, or one whose proxy hides who asks (TRUSTED_PROXIES).

Somebody who is known (members.py) pays from a budget of their own, so that strangers behind the same address cannot use
it up. All of these at one address pay from a second one as well, so that many accounts earn little more than one.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

EARNED = 0.25  # seconds of computing that an address earns in a second
SAVED = 3.0  # the most that it saves
OWED = 3.0  # the most that it owes: twelve seconds later, it owes nothing
# The same of all who are known at one address together.
MEMBERS_EARNED, MEMBERS_SAVED = 0.25, 12.0
# And of each of these once that is used up, so that nobody can use it up for the others: a page every few seconds.
RESERVE_EARNED, RESERVE_SAVED = 0.03, 1.0
# The most of all reserves at an address, which shrink if there are many. So whoever has every seat (members.py) and
# floods the site earns 0.25 + 0.25 + 0.3 = 0.8 seconds, and a class of 30 still a page every 20 to 30 seconds each.
RESERVES_EARNED, RESERVES_SAVED = 0.3, 10.0
ALONE_SECONDS = 30.0  # since another address has asked for anything
FIRST_PRICE = 0.05  # seconds, of a kind of request that was never measured
WEIGHT = 0.1  # of the latest measurement in a price
KEPT = 10_000  # addresses; those that owe nothing and save the most are forgotten beyond that


class Payer(NamedTuple):
    """Who pays for a request: somebody who is known, by the ID of their account, or everybody else at an address."""

    address: str
    person: int = 0


@dataclass
class _Account:
    seconds: float
    at: float
    earned: float
    saved: float

    def balance(self, now: float) -> float:
        return min(self.saved, self.seconds + self.earned * (now - self.at))

    def charge(self, seconds: float, now: float) -> None:
        self.seconds = max(-OWED, min(self.saved, self.balance(now) - seconds))
        self.at = now

    def change(self, earned: float, saved: float, now: float) -> None:
        """Let it earn and save so much from now on."""
        self.charge(0.0, now)
        self.earned, self.saved, self.seconds = earned, saved, min(saved, self.seconds)


class Budgets:
    """The computing time that each payer has saved, or owes. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # By address; of people by "#" and their ID, their reserves by "!", of all of them by "@" and their address.
        self._accounts: dict[str, _Account] = {}
        self._latest, self._latest_at = "", float("-inf")  # which address asked last, and when
        self._other_at = float("-inf")  # when another one than `_latest` asked last

    def ask(self, address: str, seconds: float, person: int = 0) -> None:
        """Charge a request that has arrived."""
        with self._lock:
            now = self._clock()
            if address != self._latest:
                self._latest, self._other_at = address, self._latest_at
            self._latest_at = now
            self._charge(Payer(address, person), seconds, now)

    def settle(self, address: str, seconds: float, person: int = 0) -> None:
        """Charge what a request took beyond its price; give back what it did not take, if `seconds` are negative."""
        with self._lock:
            self._charge(Payer(address, person), seconds, self._clock())

    def debt(self, address: str, person: int = 0) -> float:
        """Return how much of the greatest debt a payer has, from 0 to 1; 0 if the address is alone here."""
        with self._lock:
            now = self._clock()
            if self._is_alone(address, now):
                return 0.0
            return min(1.0, max(0.0, -self._balance(f"#{person}" if person else address, now) / OWED))

    def owes(self, person: int) -> bool:
        """Return whether somebody has used up their own budget."""
        with self._lock:
            return self._balance(f"#{person}", self._clock()) < 0

    def has_share(self, address: str, person: int, people: int = 1) -> bool:
        """Return whether anything is left of what those who are known at an address have together, or of a reserve.

        Args:
            people: how many are known there, among whom the reserves are divided.
        """
        with self._lock:
            now = self._clock()
            if self._balance(f"@{address}", now) >= 0:
                return True
            reserve = self._account(f"!{person}", now, RESERVE_EARNED, RESERVE_SAVED)
            earned, saved = min(RESERVE_EARNED, RESERVES_EARNED / people), min(RESERVE_SAVED, RESERVES_SAVED / people)
            reserve.change(earned, saved, now)
            return reserve.balance(now) >= 0

    def _is_alone(self, address: str, now: float) -> bool:
        other = self._other_at if address == self._latest else self._latest_at
        return now - other > ALONE_SECONDS

    def _charge(self, payer: Payer, seconds: float, now: float) -> None:
        if not payer.person:
            self._account(payer.address, now).charge(seconds, now)
            return
        self._account(f"#{payer.person}", now).charge(seconds, now)
        together = self._account(f"@{payer.address}", now, MEMBERS_EARNED, MEMBERS_SAVED)
        if together.balance(now) < 0 < seconds:
            together = self._account(f"!{payer.person}", now, RESERVE_EARNED, RESERVE_SAVED)
        together.charge(seconds, now)

    def _account(self, name: str, now: float, earned: float = EARNED, saved: float = SAVED) -> _Account:
        account = self._accounts.get(name)
        if account is None:
            self._forget(now)
            account = self._accounts[name] = _Account(saved, now, earned, saved)
        return account

    def _balance(self, name: str, now: float) -> float:
        account = self._accounts.get(name)
        return 0.0 if account is None else account.balance(now)

    def _forget(self, now: float) -> None:
        if len(self._accounts) >= KEPT:
            kept = {name: it for name, it in self._accounts.items() if it.balance(now) < it.saved}
            self._accounts = kept if len(kept) < KEPT else {}


class Prices:
    """What a kind of request usually takes, in seconds of computing."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def of(self, kind: str) -> float:
        return self._seconds.get(kind, FIRST_PRICE)

    def learn(self, kind: str, seconds: float) -> None:
        before = self._seconds.get(kind)
        self._seconds[kind] = seconds if before is None else before + WEIGHT * (seconds - before)
