"""Folders stay small enough to grasp at a glance."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "auravideo", "gallery", "generation", "scripts", "workers")
MOST = 18


def crowded(root: Path) -> dict[str, int]:
    """Return folders with more than `MOST` modules, not counting `__init__.py`; migrations are exempt."""
    folders = {path.parent for package in PACKAGES for path in (root / package).rglob("*.py")}
    assert folders, f"nothing to read in {root}"
    counts = {folder: len({*folder.glob("*.py")} - {folder / "__init__.py"}) for folder in folders}
    return {
        str(folder.relative_to(root)): count
        for folder, count in counts.items()
        if count > MOST and folder.name != "migrations"
    }


def test_no_folder_is_crowded():
    assert crowded(ROOT) == {}


@pytest.mark.parametrize(("modules", "found"), [(MOST, {}), (MOST + 1, {"gallery/room": MOST + 1})])
def test_a_crowded_folder_is_seen(tmp_path, modules, found):
    room = tmp_path / "gallery" / "room"
    room.mkdir(parents=True)
    for name in ("__init__", *(f"module{number}" for number in range(modules))):
        (room / f"{name}.py").touch()
    assert crowded(tmp_path) == found
