"""The wall clock is wrong, and everything that measures time is right."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.rigs.skewed_clock import skewed

ASK = """
import json, select, threading, time
start = time.monotonic()
time.sleep(0.05), select.select([], [], [], 0.05), threading.Event().wait(0.05)
print(json.dumps([time.time(), time.monotonic(), time.monotonic() - start]))
"""


@pytest.mark.parametrize("seconds", [120, -120])
def test_only_the_wall_clock_of_a_process_is_wrong(seconds):
    environment = {**os.environ, **skewed(seconds)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, check=True, capture_output=True, text=True)
    wall, monotonic, waited = json.loads(done.stdout)
    assert abs(wall - time.time() - seconds) < 30
    assert 0 <= time.monotonic() - monotonic < 30
    assert 0.15 <= waited < 30
