"""What every worker process starts with, however it is started."""

import os
import subprocess
import sys

PRINT = "import auravideo.celery, os; print(os.environ['OMP_WAIT_POLICY'])"


def policy(**environment):
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_threads_that_wait_leave_the_processor_to_others():
    assert policy() == "PASSIVE"


def test_an_operator_may_decide_otherwise():
    assert policy(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE"
