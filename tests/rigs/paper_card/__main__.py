"""Calculate what clips need on a card, and write generation/catalogue/card_memory.toml: `make memory-table`."""

import sys
import tempfile
from pathlib import Path

from generation.catalogue import card_memory
from tests.rigs.paper_card.measure import Need
from tests.rigs.paper_card.pipelines import write_small_files
from tests.rigs.paper_card.table import FAMILIES, measured, table_of, toml


def _note(need: Need) -> None:
    stages = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in sorted(need.stages.items()))
    size = f"{need.mode:12} {need.width}x{need.height}, {need.frames:3} frames"
    sys.stderr.write(f"{size}: {need.peak / 1e9:.2f} GB ({stages}), {need.seconds:.2f} s a step\n")


def main() -> None:
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        published = write_small_files(Path(folder))
        for family in FAMILIES:
            tables[family.name] = table_of(family, *measured(family, family.base or published, _note))
    card_memory.TABLE.write_text(toml(tables))


if __name__ == "__main__":
    main()
