"""A rig: a copy of this checkout that says that it is another version, for deploys in the midst of the work.

Besides the version, a static file differs, so that its address does, too; there is no migration. The real earlier
version, with its migrations, is that of tests/rigs/earlier_version.py.
"""

import re
import shutil
from pathlib import Path

from tests.site import ROOT

FOLDERS = ("accounts", "auravideo", "gallery", "generation", "locale", "static", "templates", "tests", "workers")
CHANGED = Path("static/css/auravideo.css")


def copy(folder: Path, version: str, root: Path = ROOT) -> Path:
    """Write the code of `root` into `folder` as another `version`. Return the folder."""
    for name in FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in root.iterdir():
        if file.is_file() and file.suffix != ".env":  # those are somebody's settings
            shutil.copy2(file, folder / file.name)
    _replace(folder / "auravideo" / "version.py", r'VERSION = ".*"', f'VERSION = "{version}"')
    with (folder / CHANGED).open("a", encoding="utf-8") as stream:
        stream.write(f"\n/* {version} */\n")
    return folder


def _replace(file: Path, what: str, by: str) -> None:
    text, count = re.subn(what, by, file.read_text(encoding="utf-8"))
    assert count == 1, f"{file} does not have {what} once"
    file.write_text(text, encoding="utf-8")
