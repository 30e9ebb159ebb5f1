"""What Linux alone offers is asked for in one place, and nothing breaks where it is absent."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from auravideo.core import operating_system
from auravideo.core.liveness import parents
from tests.rigs import lean_system

ROOT = Path(__file__).resolve().parents[3]
VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                              100000.
Pages active:                            300000.
Pages inactive:                          200000.
Pages speculative:                        50000.
Pages throttled:                              0.
"Translation faults":                1234567890.
"""


def on_lean_system(code: str, **environment: str) -> str:
    """Return what code prints on a system that offers no more than macOS."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **lean_system.environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_system_of_the_tests_is_as_lean_as_it_says():
    printed = on_lean_system("""
import ctypes, os, select
print([hasattr(os, "sched_getaffinity"), hasattr(select, "epoll"), hasattr(ctypes.CDLL(None), "prctl")])
print([os.path.exists("/proc/meminfo") and not open("/proc/meminfo") for _ in ()])
try:
    open("/proc/meminfo")
except FileNotFoundError as error:
    print(error.filename)
""")
    assert printed.splitlines() == ["[False, False, False]", "[]", "/proc/meminfo"]


def test_the_machine_is_known_as_far_as_it_tells():
    printed = on_lean_system("""
import json
from auravideo.core import operating_system as system
print(json.dumps([system.cores(), system.total_memory(), system.main_memory(), system.boot(), system.processor_name()]))
""")
    cores, total, (same, available), boot, name = json.loads(printed)
    assert cores == os.cpu_count()
    assert total == same == operating_system.total_memory()
    assert 0 < available <= total
    assert (boot, name) == ("", ""), "neither Linux's files nor the programs of macOS"


def test_what_macos_reports_as_available_is_read():
    assert operating_system._available_on_macos(VM_STAT) == 350_000 * 16384
    assert operating_system._available_on_macos("") == operating_system._available_on_macos("Pages free: many.") == 0


def test_linux_tells_all_of_it():
    total, available = operating_system.main_memory()
    assert 0 < available <= total <= operating_system.total_memory()
    assert operating_system.has_process_control()
    assert parents.environment() == {}
    assert parents.before_exec() is parents.die_with_parent


SUPERVISOR = """
import os, subprocess, sys, time
from auravideo.core.liveness import parents
assert parents.before_exec() is None and parents.environment()
parents.adopt_orphans()
child = "import time; from auravideo.core.liveness import parents; parents.follow(); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", child], env={**os.environ, **parents.environment()})
print(child.pid, flush=True)
time.sleep(600)
"""


def test_children_end_when_their_supervisor_is_killed_where_the_kernel_does_not_see_to_it():
    environment = {**os.environ, **lean_system.environment()}
    command = [sys.executable, "-c", SUPERVISOR]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as supervisor:
        child = int(supervisor.stdout.readline())
        time.sleep(2 * parents.LOOK_SECONDS)
        try:
            os.kill(child, 0)
            supervisor.kill()
            supervisor.wait()
            deadline = time.monotonic() + 60
            while is_running(child):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended may wait for its new parent to notice."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


IMPORT_ALL = """
import importlib, pkgutil, django
django.setup()
import accounts, auravideo, gallery, generation, workers
found = [
    module.name
    for package in (accounts, auravideo, gallery, generation, workers)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not any(part in module.name + "." for part in (".migrations.", ".tiny.", ".__main__.", ".annotated."))
]
for name in found:
    importlib.import_module(name)
print(len(found))
"""


@pytest.mark.thorough
def test_every_module_can_be_imported(tmp_path):
    environment = {
        "DJANGO_SETTINGS_MODULE": "auravideo.settings",
        "AURAVIDEO_HOME": str(tmp_path),
        "AURAVIDEO_ENV_FILE": os.devnull,
    }
    assert int(on_lean_system(IMPORT_ALL, **environment)) > 300
