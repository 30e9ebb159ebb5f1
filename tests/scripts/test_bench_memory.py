"""The table of `make bench-load PARTS=memory` tells the processes of a site apart and shows what grows."""

import subprocess
import sys
from contextlib import ExitStack

from scripts.bench_load import memory

COMMANDS = {
    "web": ["-m", "daphne", "auravideo.asgi:application"],
    "scheduler": ["/code/manage.py scheduler"],
    "worker upscale": ["-m", "tests.rigs.light_worker", "-Q", "upscale"],
    "": ["something else"],
}


def test_processes_are_added_up_by_kind():
    code = "import time; print(flush=True); time.sleep(600)"
    with ExitStack() as stack:
        pids = []
        for arguments in (*COMMANDS.values(), COMMANDS["web"]):
            process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
            stack.callback(process.communicate)
            stack.callback(process.kill)
            process.stdout.readline()
            pids.append(process.pid)
        found = memory.megabytes(pids)
    assert found.keys() == {"web", "scheduler", "worker upscale"}
    assert found["web"] > 1.5 * found["scheduler"]


def test_growth_counts_from_the_first_clips_on():
    lines = memory.table([0, 100, 1000], [{"web": 80.0}, {"web": 100.0}, {"web": 125.0}])
    assert lines[0] == "resident memory in MB after 0, 100, 1000 clips"
    assert lines[1].split() == ["web", "80", "100", "125", "+25.0%", "since", "100"]
