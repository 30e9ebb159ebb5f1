"""The kernel ends what takes too much memory, and the rig counts it and leaves no cgroup behind."""

import signal
import subprocess
import sys

from tests.rigs.memory_limit import MemoryLimit

TAKE = "held = [b'x' * 2**20 for _ in range({megabytes})]"


def _take(limit: MemoryLimit, megabytes: int) -> int:
    command = [*limit.prefix, sys.executable, "-c", TAKE.format(megabytes=megabytes)]
    return subprocess.run(command, check=False).returncode


def test_who_takes_too_much_is_killed_and_counted():
    with MemoryLimit(megabytes=64) as limit:
        folder = limit.folder
        assert (_take(limit, 8), limit.kills()) == (0, 0)
        assert (_take(limit, 100), limit.kills()) == (-signal.SIGKILL, 1)
    assert not folder.exists()


def test_what_is_left_within_a_limit_ends_with_it():
    with MemoryLimit(megabytes=64) as limit:
        left = subprocess.Popen([*limit.prefix, "sleep", "60"])
        while left.pid not in limit.processes():
            assert left.poll() is None
        folder = limit.folder
    assert left.wait(10) == -signal.SIGKILL
    assert not folder.exists()
