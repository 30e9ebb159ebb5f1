"""Orders for faults inside workers: files that say what the next worker at a place is to suffer.

A place is a file's name, a fault its content: `<kind> [argument]`. A worker that reaches the place takes the order by
renaming the file to `<place>.taken`, so of many workers exactly one suffers it, once. tests/rigs/worker_faults.py does
what is ordered and lists the places and kinds. Needs no Django.
"""

import os
from pathlib import Path

VARIABLE = "CHAOS_TROUBLE"  # names the folder, for workers
TAKEN = ".taken"


class Trouble:
    """The orders in a folder, which is created."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a worker's environment needs in order to find the orders."""
        return {VARIABLE: str(self.folder)}

    def order(self, place: str, kind: str, argument: object = "") -> None:
        """Order a fault; it replaces one at the same place that nobody has taken."""
        (self.folder / (place + TAKEN)).unlink(missing_ok=True)
        part = self.folder / f".{place}"  # whole at once: a worker may look at any moment
        part.write_text(f"{kind} {argument}".strip())
        part.rename(self.folder / place)

    def taken(self, place: str) -> str:
        """Return the order that a worker has taken at a place, with what it noted; "" if none has."""
        try:
            return (self.folder / (place + TAKEN)).read_text()
        except FileNotFoundError:
            return ""

    def waiting(self) -> list[str]:
        """Return the places whose order nobody has taken."""
        return sorted(file.name for file in self.folder.iterdir() if not file.name.endswith(TAKEN))

    def forget(self) -> None:
        """Withdraw all orders and forget those that were taken."""
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)

    def take(self, *places: str) -> tuple[str, str, str] | None:
        """Take the order of the first place that has one: (place, kind, argument). For workers."""
        for place in places:
            taken = self.folder / (place + TAKEN)
            try:
                os.rename(self.folder / place, taken)
            except FileNotFoundError:
                continue
            kind, _space, argument = taken.read_text().partition(" ")
            return place, kind, argument
        return None

    def note(self, place: str, what: str) -> None:
        """Add a line to an order that was taken. For workers."""
        with (self.folder / (place + TAKEN)).open("a") as stream:
            stream.write(f"\n{what}")
