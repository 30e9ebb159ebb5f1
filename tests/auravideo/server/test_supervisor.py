"""The supervisor keeps real processes running, with pauses that grow; its clocks run faster here."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from auravideo.server import processes
from auravideo.server import supervisor as module
from auravideo.server.crew import Worker
from auravideo.server.supervisor import Backoff, Process, Supervisor
from tests.site import ROOT


def wait_until(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(Supervisor, "STEP_SECONDS", 0.01)
    monkeypatch.setattr(Supervisor, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(Backoff, "FIRST_SECONDS", 0.01)


def python(code: str, name: str = "worker", **options: object) -> Process:
    return Process(name, [sys.executable, "-S", "-c", code], **options)


def lasting(name: str) -> Process:
    return Process(name, ["sleep", "600"])


@pytest.fixture
def watched():
    """Return a function that lets a supervisor watch in the background, and ends what it started."""
    started: list[tuple[Supervisor, threading.Thread]] = []

    def watch(*processes: Process, **options: object) -> Supervisor:
        found = Supervisor(processes, **options)
        found.start()
        thread = threading.Thread(target=found.watch)
        thread.start()
        started.append((found, thread))
        return found

    yield watch
    for found, thread in started:
        found.ask_to_stop()
        thread.join()
        found.stop()


def pid_of(process: Process) -> int | None:
    popen = process.popen  # the supervisor's thread may take it away
    return popen.pid if popen is not None and popen.poll() is None else None


def is_gone(pid: str) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_a_process_that_is_killed_comes_back_and_the_others_stay(watched):
    site, worker = lasting("site"), lasting("worker")
    watched(site, worker)
    untouched, first = pid_of(site), pid_of(worker)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pid_of(worker) not in (None, first))
    assert pid_of(site) == untouched


def test_neither_seven_deaths_of_a_worker_nor_one_of_the_site_end_anything(watched):
    site, worker = lasting("site"), lasting("worker")
    site.must_start = True
    found = watched(site, worker)
    for process in (*[worker] * 7, site):
        before = pid_of(process)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda process=process, before=before: pid_of(process) not in (None, before))
    assert not found.is_stopping


def test_pauses_grow_up_to_a_minute(monkeypatch):
    monkeypatch.setattr(Backoff, "FIRST_SECONDS", 1.0)
    backoff = Backoff()
    assert backoff.is_over
    assert [backoff.fail() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert not backoff.is_over
    assert Backoff(failures=10**6).fail() == 60


def test_a_process_that_keeps_exiting_is_reported_until_it_stays(watched, tmp_path, monkeypatch):
    monkeypatch.setattr(Supervisor, "SETTLED_SECONDS", 0.5)
    repaired = tmp_path / "repaired"
    code = f"import os, time; time.sleep(600 if os.path.exists({str(repaired)!r}) else 0)"
    reports: list[list[str]] = []
    found = watched(
        python(code), lasting("site"), report=lambda failing: reports.append([process.name for process in failing])
    )
    wait_until(lambda: ["worker"] in reports)
    assert [process.name for process in found.failing] == ["worker"]
    repaired.touch()
    wait_until(lambda: reports[-1] == [])
    assert found.failing == []
    assert reports.count([]) == 1


def test_it_says_how_a_process_ended_and_when_it_tries_again(watched, capsys):
    worker = lasting("worker")
    watched(python("raise SystemExit(3)", "site"), worker)
    os.kill(pid_of(worker), signal.SIGKILL)
    said = ""

    def is_said() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "site exited with status 3; starting it again in" in said and "ended by signal 9 (Killed)" in said

    wait_until(is_said)


def test_a_stop_takes_effect_during_a_pause(monkeypatch):
    monkeypatch.setattr(Backoff, "FIRST_SECONDS", 60.0)
    process = python("raise SystemExit(1)")
    found = Supervisor([process])
    found.start()
    thread = threading.Thread(target=found.watch)
    thread.start()
    wait_until(lambda: process.backoff.failures == 1)
    found.ask_to_stop()
    thread.join(30)
    assert not thread.is_alive()
    found.stop()
    assert process.popen is None


def test_a_process_that_cannot_be_forked_is_tried_again(watched, monkeypatch):
    worker = lasting("worker")
    watched(worker)
    real, tries = module.subprocess.Popen, []

    def scarce(*arguments, **options):
        tries.append(arguments)
        if len(tries) < 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(*arguments, **options)

    monkeypatch.setattr(module.subprocess, "Popen", scarce)
    os.kill(pid_of(worker), signal.SIGKILL)
    wait_until(lambda: len(tries) == 3 and pid_of(worker))


def test_what_they_depend_on_may_fail_for_a_while(watched):
    calls: list[str] = []

    def tend() -> None:
        calls.append("")
        if len(calls) < 4:
            raise ImproperlyConfigured("The private Redis server did not start.")

    worker = lasting("worker")
    watched(worker, tend=tend)
    wait_until(lambda: len(calls) > 5)
    assert pid_of(worker)


def test_what_a_process_left_behind_is_killed_before_it_starts_again(watched, tmp_path):
    pids = tmp_path / "pids"
    code = (
        "import subprocess, os\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'a').write(f'{{child.pid}}\\n')\n"
        "os._exit(1)"
    )
    watched(python(code))
    wait_until(lambda: pids.exists() and pids.read_text().count("\n") >= 2)
    first = pids.read_text().splitlines()[0]
    wait_until(lambda: is_gone(first))


HEAVY = "data = bytearray(400_000_000)\n"  # which the kernel takes a while to free


def test_nothing_is_left_after_a_stop_not_even_what_must_be_killed(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    ready = tmp_path / "ready"
    stuck = python(
        f"{HEAVY}import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w')\n"
        "time.sleep(600)"
    )
    found = Supervisor([stuck])
    found.start()
    wait_until(ready.exists)
    popen = stuck.popen
    found.stop()
    assert popen.returncode == -signal.SIGKILL
    assert is_gone(str(popen.pid))


def test_a_child_that_its_parent_left_behind_is_gone_after_a_stop(tmp_path):
    pid = tmp_path / "pid"
    child = f"{HEAVY}import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    parent = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)"
    found = Supervisor([python(parent)])
    found.start()
    wait_until(lambda: pid.exists() and pid.read_text())
    found.stop()
    assert is_gone(pid.read_text())


ADOPTING = """
import os, sys, time
from pathlib import Path
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
django.setup()
from auravideo.core.liveness.parents import adopt_orphans
from auravideo.server.supervisor import Process, Supervisor

def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

adopt_orphans()
worker = Process("worker", [sys.executable, "-c", "import subprocess; subprocess.call(['sleep', '600'])"])
found = Supervisor([worker])
found.start()
while not children(worker.popen.pid):
    time.sleep(0.01)
found.stop()
print("left:", children(os.getpid()))
"""


def test_it_waits_for_orphans_that_it_adopts():
    """Nobody else does where `serve` is process 1 of a container: they would stay as zombies."""
    done = subprocess.run(
        [sys.executable, "-c", ADOPTING], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert "left: []" in done.stdout, done.stdout + done.stderr


def test_rendering_has_a_lower_priority_than_pages(watched):
    worker = Process("worker", ["sleep", "600"], niceness=5)
    watched(worker, site := lasting("site"))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.popen.pid) == min(19, own + 5)
    assert os.getpriority(os.PRIO_PROCESS, site.popen.pid) == own
    assert processes.worker(Worker("cpu", "cpu"), "host").niceness > processes.site("127.0.0.1", 8000).niceness == 0
