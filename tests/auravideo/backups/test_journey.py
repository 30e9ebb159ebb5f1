"""A site is backed up while it runs, lost, and restored, on both databases."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import postgres

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[3]
FILL = """
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import storages
get_user_model().objects.create_user("ada", "ada@example.org", "a long enough passphrase")
storages["default"].save("videos/one/video.mp4", ContentFile(b"film"))
"""
SHOW = """
from django.contrib.auth import get_user_model
from django.core.files.storage import storages
print(get_user_model().objects.get().email, storages["default"].open("videos/one/video.mp4").read())
"""


class Site:
    def __init__(self, home: Path, database: str) -> None:
        self.environment = {**os.environ, "AURAVIDEO_HOME": str(home), "DATABASE_URL": database}

    def manage(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess:
        command = [sys.executable, ROOT / "manage.py", *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture(params=["sqlite", "postgresql"])
def new_site(request, tmp_path):
    """Return a function that makes an empty site; each has its own database."""
    with contextlib.ExitStack() as stack:

        def new(name: str) -> Site:
            database = ""
            if request.param == "postgresql":
                database = stack.enter_context(postgres.running())
            site = Site(tmp_path / name, database)
            site.manage("migrate", "-v", "0")
            return site

        yield new


def test_what_was_backed_up_is_there_on_a_new_site(new_site, tmp_path):
    site, backups = new_site("old"), tmp_path / "backups"
    site.manage("shell", "-v", "0", "-c", FILL)
    done = site.manage("backup", backups)
    (backup,) = backups.glob("20*")
    assert done.stdout == f"{backup}: 1 files, 1 of them new; 0 old ones deleted\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", backup.name)

    other = new_site("new")
    assert "1 files" in other.manage("restore", backup).stdout
    other.manage("migrate", "-v", "0")
    assert other.manage("shell", "-v", "0", "-c", SHOW).stdout == "ada@example.org b'film'\n"

    refused = other.manage("restore", backup, check=False)
    assert "has 1 accounts. To replace everything, pass --force." in refused.stderr
    other.manage("restore", "--force", backup)

    (backup / "files.jsonl").unlink()
    broken = other.manage("restore", "--force", backup, check=False)
    assert broken.returncode == 1
    assert "files.jsonl cannot be read" in broken.stderr
    assert "ada@example.org" in other.manage("shell", "-v", "0", "-c", SHOW).stdout, "nothing was changed"
