"""How much computing a web process does for each network address before it serves others first.

An address earns computing time while time passes, and saves a few seconds of it: more than a person uses who clicks as
fast as they can. What it asks for is charged at once, by what such requests have taken before, whether or not they are
served; what they really took settles it. So whoever floods the site is in debt within a second, until they stop.

Nobody is held back who is alone on the site: a private one, or one whose proxy hides who asks (TRUSTED_PROXIES).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

EARNED = 0.25  # seconds of computing that an address earns in a second
SAVED = 3.0  # the most that it saves
OWED = 3.0  # the most that it owes: twelve seconds later, it owes nothing
ALONE_SECONDS = 30.0  # since another address has asked for anything
FIRST_PRICE = 0.05  # seconds, of a kind of request that was never measured
WEIGHT = 0.1  # of the latest measurement in a price
KEPT = 10_000  # addresses; those that owe nothing and save the most are forgotten beyond that


@dataclass
class _Account:
    seconds: float
    at: float


class Budgets:
    """The computing time that each address has saved, or owes. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._latest, self._latest_at = "", float("-inf")  # who asked last, and when
        self._other_at = float("-inf")  # when somebody else than `_latest` asked last

    def ask(self, address: str, seconds: float) -> None:
        """Charge a request that has arrived."""
        with self._lock:
            now = self._clock()
            if address != self._latest:
                self._latest, self._other_at = address, self._latest_at
            self._latest_at = now
            self._charge(address, seconds, now)

    def settle(self, address: str, seconds: float) -> None:
        """Charge what a request took beyond its price; give back what it did not take, if `seconds` are negative."""
        with self._lock:
            self._charge(address, seconds, self._clock())

    def debt(self, address: str) -> float:
        """Return how much of the greatest debt an address has, from 0 to 1; 0 if it is alone here."""
        with self._lock:
            account = self._accounts.get(address)
            now = self._clock()
            if account is None or self._is_alone(address, now):
                return 0.0
            return min(1.0, max(0.0, -self._balance(account, now) / OWED))

    def _is_alone(self, address: str, now: float) -> bool:
        other = self._other_at if address == self._latest else self._latest_at
        return now - other > ALONE_SECONDS

    def _charge(self, address: str, seconds: float, now: float) -> None:
        account = self._accounts.get(address)
        if account is None:
            self._forget(now)
            account = self._accounts[address] = _Account(SAVED, now)
        account.seconds = max(-OWED, min(SAVED, self._balance(account, now) - seconds))
        account.at = now

    @staticmethod
    def _balance(account: _Account, now: float) -> float:
        return min(SAVED, account.seconds + EARNED * (now - account.at))

    def _forget(self, now: float) -> None:
        if len(self._accounts) >= KEPT:
            kept = {address: it for address, it in self._accounts.items() if self._balance(it, now) < SAVED}
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
