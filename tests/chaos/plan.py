"""The plan of a campaign, drawn from a seed: which faults hit which stages, in rounds of a few clips each."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from generation.domain.states import MAX_ATTEMPTS, Stage

ALL_STAGES = tuple(Stage)
WORKER_LOST, HUNG = "", "stage-hung"  # what is recorded of an attempt that a worker did not survive


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: as the table shows it.
        act: makes it happen: takes the world and a `Planned`. Returns None, or a block that it lasts for. Raises
            `NotNow` if there is nothing that it could hit.
        stages: what it may be aimed at.
        costs: what may be recorded of an attempt that it ends; empty for an outage, which uses up none.
        fails: the errors with which it may end a clip, which its owner then retries.
        lasts: whether it lasts, so that the next fault may come on top.
        at_least: the seconds that it must last to be one.
        needs: what the world must have for it: "disks", "wires", "local redis" ...
    """

    name: str
    act: Callable[[Any, "Planned"], AbstractContextManager[object] | None]
    stages: tuple[Stage, ...] = ALL_STAGES
    costs: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    lasts: bool = False
    at_least: float = 0
    needs: str = ""


@dataclass(frozen=True)
class Planned:
    """One fault of the plan. `number` is for its own choices, so that the plan alone decides them."""

    kind: Kind
    stage: Stage
    seconds: float
    overlaps: bool
    number: int

    def __str__(self) -> str:
        return f"{self.kind.name} ({self.stage}, {self.seconds:.0f} s{', with the next' if self.overlaps else ''})"


@dataclass(frozen=True)
class Round:
    """Some clips and what happens to them. In a round of outages, no attempt may be used up."""

    clips: tuple[int, ...]
    faults: tuple[Planned, ...]

    @property
    def is_of_outages(self) -> bool:
        return not any(fault.kind.costs or fault.kind.fails for fault in self.faults)


@dataclass
class Deck:
    """Deals all of its cards, in random order, before it deals one again."""

    cards: Sequence[Kind]
    random: Random
    left: list[Kind] = field(default_factory=list)

    def deal(self, suits: Callable[[Kind], bool]) -> Kind | None:
        """Return the next card that suits; None if none does."""
        for _ in range(2):
            for card in self.left:
                if suits(card):
                    self.left.remove(card)
                    return card
            self.left += self.random.sample(list(self.cards), len(self.cards))
        return None


def draw(
    seed: int, kinds: Sequence[Kind], *, rounds: int, clips: int, faults: int, shapes: int, seconds: tuple[float, float]
) -> list[Round]:
    """Return the plan.

    Every third round has outages only. In the others, no stage loses more attempts than a clip may lose, so that every
    clip must end well.

    Args:
        rounds, clips, faults: rounds; clips and faults in each.
        shapes: of how many kinds the clips are.
        seconds: the shortest and the longest that a lasting fault takes.
    """
    random = Random(seed)
    outages = Deck([kind for kind in kinds if not kind.costs and not kind.fails], random)
    everything = Deck(kinds, random)
    plan = []
    for number in range(rounds):
        deck = outages if number % 3 == 2 else everything
        chosen = tuple(random.randrange(shapes) for _ in range(clips))
        plan.append(Round(chosen, tuple(_faults(random, deck, faults, seconds))))
    return plan


def _faults(random: Random, deck: Deck, count: int, seconds: tuple[float, float]) -> list[Planned]:
    found: list[Planned] = []
    spent: Counter[Stage] = Counter()
    while len(found) < count:
        free = [stage for stage in Stage if spent[stage] < MAX_ATTEMPTS - 1]
        kind = deck.deal(lambda kind, free=free: not kind.costs or bool(set(kind.stages) & set(free)))
        if kind is None:
            break
        stages = [stage for stage in kind.stages if not kind.costs or stage in free]
        stage = random.choice(stages)
        if kind.costs:
            spent[stage] += 1
        lasting = round(max(kind.at_least, random.uniform(*seconds)), 1)
        found.append(Planned(kind, stage, lasting, kind.lasts and random.random() < 0.5, random.randrange(2**16)))
    return found


def count(plan: Sequence[Round]) -> Mapping[str, int]:
    """Return how often each kind is planned."""
    return Counter(fault.kind.name for part in plan for fault in part.faults)
