"""Whose request a web process works on next.

Those who wait are let in one address after the other, and those of one address in order, so a visitor who sends
hundreds of requests delays their own. At one address, those who pay for themselves (members.py) and everybody else take
turns, so many accounts get no more of them than one. Payers in debt (budgets.py) wait until nobody else does, and take
few turns at a time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from auravideo.refusals.budgets import Payer

MOST_WAITING = 500  # requests; more are turned away at once
MOST_OF_ONE_ADDRESS = 100  # of these; more than a process can serve within its patience. As many of those who are known
MOST_OF_ONE_PERSON = 25  # of these
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
        debt: returns how much of the greatest debt a payer has, from 0 to 1.
    """

    def __init__(self, at_once: int, patience: float, debt: Callable[[Payer], float] = lambda _payer: 0.0) -> None:
        self.free = at_once
        self.patience = patience
        self._debt = debt
        self._at_once = at_once
        self._others_at = float("-inf")  # when an address without a debt had its last turn
        self._debtors = 0  # turns that addresses in debt hold
        self._rested_at = float("-inf")  # when these have rested since their last one
        self._lines: dict[Payer, deque[asyncio.Future[Turn]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    def has_room(self, payer: Payer) -> bool:
        """Return whether a request of this payer may wait, if it has to."""
        most = MOST_OF_ONE_PERSON if payer.person else MOST_OF_ONE_ADDRESS
        room = max(FEWEST_OF_ONE_ADDRESS, int(most * (1 - self._debt(payer))))
        if payer.person and self._waiting_members(payer.address) >= MOST_OF_ONE_ADDRESS:
            return False
        return len(self._lines.get(payer, ())) < room and self.waiting < MOST_WAITING

    def _waiting_members(self, address: str) -> int:
        return sum(len(line) for payer, line in self._lines.items() if payer.person and payer.address == address)

    async def take(self, address: str = "", person: int = 0) -> Turn:
        """Return when it is this payer's turn. Raises Overloaded if that takes too long."""
        payer = Payer(address, person)
        in_debt = self._debt(payer) > 0
        if self._may_begin(in_debt=in_debt) and not self._lines.get(payer):
            return self._begin(in_debt=in_debt)
        if not self.has_room(payer):
            raise Overloaded
        waiting: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(payer, deque()).append(waiting)
        try:
            async with asyncio.timeout(self.patience):
                return await waiting
        except TimeoutError:
            if _was_given(waiting):
                return waiting.result()
            self._leave(payer, waiting)
            raise Overloaded from None
        except asyncio.CancelledError:  # the browser went away
            if _was_given(waiting):
                waiting.result().give_back()
            else:
                self._leave(payer, waiting)
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
        for payer in self._lines:
            if not self._debt(payer):
                self._let_in(payer, in_debt=False)
                return True
            debtor = debtor or payer
        if debtor is None or not self._may_begin(in_debt=True):
            return False
        self._let_in(debtor, in_debt=True)
        return True

    def _let_in(self, payer: Payer, *, in_debt: bool) -> None:
        """Let the first of a line in, which then stands behind all others, and so do the other lines of its address."""
        line = self._lines.pop(payer)
        waiting = line.popleft()
        for other in [other for other in self._lines if other.address == payer.address]:
            self._lines[other] = self._lines.pop(other)
        if line:
            self._lines[payer] = line
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

    def _leave(self, payer: Payer, waiting: "asyncio.Future[Turn]") -> None:
        line = self._lines.get(payer, deque())
        if waiting in line:
            line.remove(waiting)
        if not self._lines.get(payer, True):
            del self._lines[payer]


def _was_given(waiting: "asyncio.Future[Turn]") -> bool:
    return waiting.done() and not waiting.cancelled()
