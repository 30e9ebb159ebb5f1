"""Calculate what clips need on a card, and write generation/catalogue/card_memory.toml: `make memory-table`.

With names of families, only theirs; the others keep what the file says.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from generation.catalogue import card_memory
from tests.rigs.paper_card.families import engines
from tests.rigs.paper_card.families import table as families
from tests.rigs.paper_card.measure import Need
from tests.rigs.paper_card.pipelines import write_small_files
from tests.rigs.paper_card.table import FAMILIES, Family, measured, table_in, table_of, toml


def _note(need: Need) -> None:
    stages = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in sorted(need.stages.items()))
    size = f"{need.mode:12} {need.width}x{need.height}, {need.frames:3} frames"
    sys.stderr.write(f"{size}: {need.peak / 1e9:.2f} GB ({stages}), {need.seconds:.2f} s a step\n")


def main() -> None:
    asked = sys.argv[1:]
    before = card_memory.TABLE.read_text(encoding="utf-8")
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, calculate in _calculations(Path(folder)).items():
            tables[name] = table_in(before, name) if asked and name not in asked else calculate()
            card_memory.TABLE.write_text(toml({**tables, **_later(before, tables)}), encoding="utf-8")


def _calculations(folder: Path) -> dict[str, Callable[[], str]]:
    """Return a function for each family, in the order of the file, that returns its table."""
    published = write_small_files(folder / "published")

    def animated(family: Family) -> str:
        return table_of(family, *measured(family, family.base or published, _note))

    def other(one: families.Measured) -> str:
        written = engines.write_small_files(folder / one.family.name, one.family)
        return families.table_of(one, families.measured(one, written, _note))

    return {
        **{family.name: partial(animated, family) for family in FAMILIES},
        **{one.family.name: partial(other, one) for one in families.FAMILIES},
    }


def _later(before: str, done: Mapping[str, str]) -> dict[str, str]:
    """Return the tables of families whose turn has not come, as they were."""
    names = (*(family.name for family in FAMILIES), *(one.family.name for one in families.FAMILIES))
    return {name: table_in(before, name) for name in names if name not in done}


if __name__ == "__main__":
    main()
