"""The health check of a worker's container: heartbeat files in, exit status out."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers import healthcheck

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def beat(tmp_path):
    """Return a function that makes a heartbeat file of a given age in seconds."""

    def make(age: float, name: str = "worker", content: object = "") -> Path:
        path = tmp_path / name
        path.write_text(str(content))
        os.utime(path, (time.time() - age,) * 2)
        return path

    return make


def check(path: Path) -> str:
    return healthcheck.problem(path, 60)


def test_a_fresh_file_is_healthy(beat):
    assert check(beat(5)) == ""


def test_a_missing_file_is_not(tmp_path):
    assert "does not exist" in check(tmp_path / "worker")


def test_a_stale_file_is_not(beat):
    assert "last touched 90 s ago" in check(beat(90))


def test_a_frozen_stage_is_noticed_although_its_worker_lives(beat):
    beat(90, "worker.stage", os.getpid())
    assert "the stage that this worker runs is frozen" in check(beat(5))


def test_a_stage_that_beats_is_healthy(beat):
    beat(20, "worker.stage", os.getpid())
    assert check(beat(5)) == ""


@pytest.mark.parametrize("content", ["", "no number"])
def test_a_damaged_stage_file_is_ignored(beat, content):
    beat(90, "worker.stage", content)
    assert check(beat(5)) == ""


def test_the_file_of_a_killed_stage_is_ignored(beat):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    beat(90, "worker.stage", process.pid)
    assert check(beat(5)) == ""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the script as a container does, and without installed packages, which it must not need."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "workers/healthcheck.py", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_script_exits_with_the_answer(beat):
    assert run(AURAVIDEO_HEARTBEAT_FILE=str(beat(5))).returncode == 0
    stale = run(AURAVIDEO_HEARTBEAT_FILE=str(beat(61)))
    assert (stale.returncode, len(stale.stderr.splitlines())) == (1, 1)
    assert run(str(beat(61)), "--max-age", "120").returncode == 0


def test_the_script_says_what_to_set():
    assert "AURAVIDEO_HEARTBEAT_FILE" in run().stderr
