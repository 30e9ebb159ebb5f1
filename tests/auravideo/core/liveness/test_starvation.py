"""Real processes that fight for one CPU, and one that sleeps."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from auravideo.core.liveness import starvation

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long processes wait")

SPIN, SLEEP = "while True: pass", "import time; time.sleep(600)"


@contextmanager
def process(code):
    cpu = min(os.sched_getaffinity(0))
    running = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(flush=True); {code}"],
        stdout=subprocess.PIPE,
    )
    try:
        running.stdout.readline()
        yield running.pid
    finally:
        running.kill()
        running.communicate()


def wait(watch, pid, *, seconds=0.3, at_most=60):
    """Look until a process has waited for some time; returns for how long that took."""
    started = time.monotonic()
    while watch.seconds(pid) < seconds and time.monotonic() - started < at_most:
        time.sleep(0.05)
        watch.look([pid])
    return time.monotonic() - started


def test_who_shares_a_cpu_with_busy_processes_waits_for_a_part_of_the_time():
    with ExitStack() as stack:
        pid, *_others = [stack.enter_context(process(f"\n{SPIN}")) for _ in range(3)]
        watch = starvation.Watch()
        watch.look([pid])
        assert watch.seconds(pid) == 0, "what it waited before the first look counts"
        took = wait(watch, pid)
        assert 0.3 <= watch.seconds(pid) <= took


def test_who_sleeps_waits_for_no_cpu():
    with process(SLEEP) as pid:
        watch = starvation.Watch()
        watch.look([pid])
        wait(watch, pid, seconds=0.1, at_most=0.5)
        assert watch.seconds(pid) < 0.1


def test_a_process_that_is_gone_is_forgotten():
    watch = starvation.Watch()
    with ExitStack() as stack:
        pid, *_others = [stack.enter_context(process(f"\n{SPIN}")) for _ in range(3)]
        watch.look([pid])
        wait(watch, pid, seconds=0.1)
    watch.look([])
    assert watch.seconds(pid) == 0
    watch.look([pid])  # there is no such process
    assert watch.seconds(pid) == 0
