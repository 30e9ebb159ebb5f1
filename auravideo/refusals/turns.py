"""Whose request a web process works on next.

Those who wait are let in one address after the other, and those of one address in order, so a visitor who sends
hundreds of requests delays their own. Addresses in debt (budgets.py) wait until nobody else does, and take few turns at
a time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

MOST_WAITING = 500  # requests; more are turned away at once
MOST_OF_ONE_ADDRESS = 100  # of these; more than a process can serve within its patience
# Of an address in debt: the fewer, the more it owes. A page's pictures may still come all at once if it owes little.
FEWEST_OF_ONE_ADDRESS = 4
# While others use the site, addresses in debt have one turn, which none gets while somebody else's request is at work.
QUIET_SECONDS = 5.0  # since then nobody else had a turn: they have them all
# And after each they rest for as long as it took, times this: whoever comes meanwhile shares the process with nobody.
REST = 2.0


class Overloaded(Exception):
    """The request was not served."""


class Turn:
    """The right to be worked on, given back once."""

    def __init__(self, turns: "Turns", *, in_debt: bool) -> None:
        self._turns: Turns | None = turns
        self._in_debt = in_debt
        self._began = time.monotonic()

    def give_back(self) -> None:
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.give_back(in_debt=self._in_debt, seconds=time.monotonic() - self._began)


class Turns:
    """At most `at_once` holders at a time; others wait for `patience` seconds at most.

    Args:
        debt: returns how much of the greatest debt an address has, from 0 to 1.
    """

    def __init__(self, at_once: int, patience: float, debt: Callable[[str], float] = lambda _address: 0.0) -> None:
        self.free = at_once
        self.patience = patience
        self._debt = debt
        self._at_once = at_once
        self._others_at = float("-inf")  # when an address without a debt had its last turn
        self._debtors = 0  # turns that addresses in debt hold
        self._rested_at = float("-inf")  # when these have rested since their last one
        self._lines: dict[str, deque[asyncio.Future[Turn]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    def has_room(self, address: str) -> bool:
        """Return whether a request of this address may wait, if it has to."""
        line = self._lines.get(address, ())
        room = max(FEWEST_OF_ONE_ADDRESS, int(MOST_OF_ONE_ADDRESS * (1 - self._debt(address))))
        return len(line) < room and self.waiting < MOST_WAITING

    async def take(self, address: str = "") -> Turn:
        """Return when it is this caller's turn. Raises Overloaded if that takes too long."""
        in_debt = self._debt(address) > 0
        if self._may_begin(in_debt=in_debt) and not self._lines.get(address):
            return self._begin(in_debt=in_debt)
        if not self.has_room(address):
            raise Overloaded
        waiting: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(address, deque()).append(waiting)
        try:
            async with asyncio.timeout(self.patience):
                return await waiting
        except TimeoutError:
            if _was_given(waiting):
                return waiting.result()
            self._leave(address, waiting)
            raise Overloaded from None
        except asyncio.CancelledError:  # the browser went away
            if _was_given(waiting):
                waiting.result().give_back()
            else:
                self._leave(address, waiting)
            raise

    def give_back(self, *, in_debt: bool = False, seconds: float = 0.0) -> None:
        """Let others in: the first of the address that has waited longest for its turn, and that owes nothing.

        Args:
            seconds: how long the turn took.
        """
        self.free += 1
        self._debtors -= in_debt
        if in_debt and not self._is_quiet():
            self._rested_at = time.monotonic() + REST * seconds
            asyncio.get_running_loop().call_later(REST * seconds, self._let_in_all)
        self._let_in_all()

    def _let_in_all(self) -> None:
        while self._next():
            pass

    def _next(self) -> bool:
        """Let one in; return whether there was one."""
        if self.free <= 0:
            return False
        debtor = None
        for address in self._lines:
            if not self._debt(address):
                self._let_in(address, in_debt=False)
                return True
            debtor = debtor or address
        if debtor is None or not self._may_begin(in_debt=True):
            return False
        self._let_in(debtor, in_debt=True)
        return True

    def _let_in(self, address: str, *, in_debt: bool) -> None:
        line = self._lines.pop(address)
        waiting = line.popleft()
        if line:
            self._lines[address] = line  # to the end
        if not waiting.done():
            waiting.set_result(self._begin(in_debt=in_debt))

    def _may_begin(self, *, in_debt: bool) -> bool:
        if self.free <= 0 or not in_debt:
            return self.free > 0
        others = self._at_once - self.free - self._debtors
        return not others and (self._is_quiet() or (self._debtors == 0 and time.monotonic() >= self._rested_at))

    def _is_quiet(self) -> bool:
        """Return whether nobody but addresses in debt has used the site lately."""
        return time.monotonic() - self._others_at > QUIET_SECONDS

    def _begin(self, *, in_debt: bool) -> Turn:
        self.free -= 1
        self._debtors += in_debt
        if not in_debt:
            self._others_at = time.monotonic()
        return Turn(self, in_debt=in_debt)

    def _leave(self, address: str, waiting: "asyncio.Future[Turn]") -> None:
        line = self._lines.get(address, deque())
        if waiting in line:
            line.remove(waiting)
        if not self._lines.get(address, True):
            del self._lines[address]


def _was_given(waiting: "asyncio.Future[Turn]") -> bool:
    return waiting.done() and not waiting.cancelled()
