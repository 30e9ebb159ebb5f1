"""Files are written completely or not at all, and leave nothing else behind, whatever goes wrong."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auravideo.core.files import beside, create_once, replace_text, replacing

ROOT = Path(__file__).resolve().parents[3]
# The code of a writer process, which can run with fewer rights than this one.
IN_A_PROCESS = """
import os, resource, signal, sys
from auravideo.core.files import create_once, replace_text, replacing
if {few_bytes}:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
if {unprivileged} and os.geteuid() == 0:
    os.seteuid(65534)
try:
    {call}
except OSError as error:
    print(type(error).__name__, error.errno)
"""
CALLS = {
    "replacing": "with replacing(sys.argv[1]) as part: part.write_bytes(b'x' * 5000)",
    "replace_text": "replace_text(sys.argv[1], 'x' * 5000)",
    "create_once": "create_once(sys.argv[1], 'x' * 5000)",
}


def write(target: Path, call: str, **limits: bool) -> str:
    """Run it in a separate process; return the error it raised."""
    script = IN_A_PROCESS.format(call=CALLS[call], **{"few_bytes": False, "unprivileged": False, **limits})
    command = [sys.executable, "-c", script, str(target)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def open_folder():
    """Return a folder that every user can enter, but only its owner can write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("call", CALLS)
def test_the_content_arrives_and_nothing_else_stays(tmp_path, call):
    assert write(tmp_path / "file.json", call) == ""
    assert (tmp_path / "file.json").read_text() == "x" * 5000
    assert os.listdir(tmp_path) == ["file.json"]


@pytest.mark.parametrize("call", ["replacing", "replace_text"])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, call):
    target = tmp_path / "file.json"
    target.write_text("old")
    assert write(target, call, few_bytes=True).startswith("OSError")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.json"]


def test_a_full_disk_creates_nothing(tmp_path):
    assert write(tmp_path / "secret", "create_once", few_bytes=True).startswith("OSError")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("call", CALLS)
def test_a_folder_that_cannot_be_written_stays_as_it_was(open_folder, call):
    assert write(open_folder / "file.json", call, unprivileged=True).startswith("PermissionError")
    assert os.listdir(open_folder) == []


def test_a_target_that_cannot_be_replaced_raises_and_leaves_no_litter(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError), replacing(tmp_path / "file") as part:
        part.write_text("new")
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_while_writing_keeps_the_old_file(tmp_path):
    target = tmp_path / "clip.webp"
    target.write_text("old")

    def write_half():
        with replacing(target) as part:
            part.write_text("half of the n")
            assert target.read_text() == "old"  # what a concurrent reader sees
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["clip.webp"]


def test_the_part_is_hidden_in_the_same_folder_and_keeps_the_suffix(tmp_path):
    with beside(tmp_path / "video.mp4") as one, beside(tmp_path / "video.mp4") as other:
        assert one != other
        assert one.parent == tmp_path
        assert (one.name[0], one.suffix) == (".", ".mp4")


def test_a_missing_folder_is_created_for_a_text(tmp_path):
    replace_text(tmp_path / "models" / "lock.json", "ł")
    assert (tmp_path / "models" / "lock.json").read_text(encoding="utf-8") == "ł"


def test_of_many_that_create_at_once_one_wins_and_only_its_owner_can_read(tmp_path):
    target = tmp_path / "secret_key"
    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(lambda number: create_once(target, str(number)), range(64)))
    assert created.count(True) == 1
    assert target.read_text() == str(created.index(True))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secret_key"]
