"""`manage.py serve` and its parts, as real processes."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
import redis

from auravideo.server import scheduler
from tests.rigs.shared_services import services
from tests.site import ROOT, Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]


def wait_until(holds, seconds=60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.1)


def commands(site: Site) -> dict[int, str]:
    """Return the command lines of a site's processes by PID."""
    found = {}
    for pid in site.processes():
        try:
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def running(site: Site, text: str) -> list[int]:
    return [pid for pid, command in commands(site).items() if text in command]


def test_the_parts_of_one_machine_start_in_any_order_and_share_one_redis(tmp_path):
    home = tmp_path / "home"
    parts = [Site(home, only=only, log=f"{only}.log") for only in ("scheduler", "web")]
    parts.append(Site(home, "cpu", only="workers", log="workers.log"))
    try:
        for part in parts:
            part.launch()
        for part in parts:
            part.wait_until_ready()
        assert len(running(parts[0], "redis-server")) == 1
        assert len(running(parts[0], "daphne")) == 1
        assert len(running(parts[0], "manage.py scheduler")) == 1
        assert running(parts[0], "-Q cpu")
        assert not running(parts[0], "-Q generate")
        # Whichever started Redis takes it along; the others start it again.
        for part in parts[:2]:
            assert part.stop() == 0
        wait_until(lambda: len(running(parts[2], "redis-server")) == 1)
        assert parts[2].process.poll() is None
    finally:
        for part in parts:
            part.stop()
    assert parts[0].processes() == []


@pytest.fixture
def shared(tmp_path):
    with services(tmp_path) as found:
        yield found


def test_workers_wait_for_the_migrations_and_get_their_cards_and_names(shared):
    machine = shared.machine(only="workers", AURAVIDEO_WORKERS="cpu:1,cpu:cpu")
    machine.launch()
    wait_until(lambda: "Waiting for" in machine.log.read_text())
    assert machine.manage("migrate", "-v", "0").returncode == 0
    machine.wait_until_ready()
    assert "AuraVideo is ready to run cpu-1@" in machine.log.read_text()
    cards = set()
    for pid in running(machine, "celery"):
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        cards |= {variable for variable in variables if variable.startswith(b"CUDA_VISIBLE_DEVICES=")}
    assert cards == {b"CUDA_VISIBLE_DEVICES=1", b"CUDA_VISIBLE_DEVICES="}
    assert not running(machine, "daphne")
    assert not running(machine, "manage.py scheduler")


def test_two_whole_sites_have_one_scheduler_at_work_and_no_redis_of_their_own(shared):
    machines = [shared.machine("") for _ in range(2)]
    for machine in machines:
        machine.launch()
    for machine in machines:
        machine.wait_until_ready()
    wait_until(lambda: any("Standing by" in machine.log.read_text() for machine in machines))
    client = redis.Redis(unix_socket_path=str(shared.redis_socket))
    wait_until(lambda: scheduler.holder(client))
    pid = int(scheduler.holder(client).rpartition(":")[2])
    assert [pid in running(machine, "manage.py scheduler") for machine in machines].count(True) == 1
    assert [running(machine, "redis-server") for machine in machines] == [[], []]


def health(site: Site) -> dict:
    try:
        with urllib.request.urlopen(f"{site.url}/healthz", timeout=30) as answer:
            return json.load(answer)
    except OSError:
        return {"status": "no answer"}


def test_several_web_processes_share_the_port_and_one_that_dies_is_missed_by_nobody(tmp_path):
    site = Site(tmp_path / "home", "", AURAVIDEO_WEB_PROCESSES="2", METRICS_TOKEN="x" * 32).start()
    try:
        wait_until(lambda: metric(site, 'auravideo_processes{kind="web"') == 2)
        first, second = sorted(running(site, "auravideo.asgi:application"))
        os.kill(first, signal.SIGKILL)
        for _ in range(20):  # whoever connects now waits for the other one, or is served by it
            assert health(site)["status"] in ("ok", "degraded")
        wait_until(lambda: len(running(site, "auravideo.asgi:application")) == 2)
        assert second in running(site, "auravideo.asgi:application")
        assert first not in running(site, "auravideo.asgi:application")
        log = site.log.read_text()
        assert "site was ended by signal 9" in log or "site-2 was ended by signal 9" in log
    finally:
        assert site.stop() == 0
    assert site.processes() == []


def holds_still(site: Site, number: int) -> None:
    """Let a web process stand still, and expect the site to answer all the time and to replace it, and nothing else."""
    before = set(site.processes())
    frozen = sorted(running(site, "auravideo.asgi:application"))[number]
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: frozen not in site.processes(), 120)
    wait_until(lambda: health(site)["status"] in ("ok", "degraded"), 120)
    assert before - set(site.processes()) == {frozen}
    wait_until(lambda: health(site).get("processes") is False)
    said: list[str] = []

    def is_said() -> bool:
        said[:] = [line for line in site.log.read_text().splitlines() if "did not answer for" in line]
        return bool(said)

    wait_until(is_said)
    assert len(said) == 1, said
    assert "was killed; starting it again in 1 s" in said[0]


# A minute by default; the machine of these tests may be busy, which does not count, but takes its time.
QUICKLY = {"AURAVIDEO_ANSWER_WITHIN": "10"}


def test_a_web_process_that_stands_still_is_started_again_and_nothing_else_is(tmp_path):
    site = Site(tmp_path / "home", "", **QUICKLY).start()
    try:
        holds_still(site, 0)
    finally:
        assert site.stop() == 0
    assert site.processes() == []


def test_one_of_several_web_processes_that_stands_still_is_told_from_the_others(tmp_path):
    site = Site(tmp_path / "home", "", AURAVIDEO_WEB_PROCESSES="2", **QUICKLY).start()
    try:
        wait_until(lambda: len(running(site, "auravideo.asgi:application")) == 2)
        holds_still(site, 1)
        wait_until(lambda: len(running(site, "auravideo.asgi:application")) == 2)
    finally:
        assert site.stop() == 0


def test_a_scheduler_that_stands_still_is_started_again(tmp_path):
    site = Site(tmp_path / "home", "", **QUICKLY).start()
    try:
        (frozen,) = running(site, "manage.py scheduler")
        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: health(site).get("scheduler") is False)
        wait_until(lambda: running(site, "manage.py scheduler") not in ([], [frozen]), 120)
        wait_until(lambda: health(site).get("scheduler") is True, 120)
        assert "scheduler did not answer for" in site.log.read_text()
    finally:
        assert site.stop() == 0


def test_a_worker_that_stands_still_is_started_again(tmp_path):
    site = Site(tmp_path / "home", "cpu", **QUICKLY).start()
    try:
        wait_until(lambda: len(running(site, "-Q cpu")) > 1)
        frozen = parent(running(site, "-Q cpu"))
        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: len(found := running(site, "-Q cpu")) > 1 and frozen not in found, 180)
        assert "cpu did not answer for" in site.log.read_text()
    finally:
        assert site.stop() == 0


def parent(pids: list[int]) -> int:
    """Return the one of a worker's processes that has started the others."""
    (found,) = [pid for pid in pids if any(psutil.Process(other).ppid() == pid for other in pids)]
    return found


def metric(site: Site, name: str) -> float:
    """Return the value of the first series whose name begins with `name`; 0 if there is none."""
    request = urllib.request.Request(f"{site.url}/metrics", headers={"Authorization": f"Bearer {'x' * 32}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def test_whatever_is_killed_comes_back_and_what_keeps_dying_is_reported(tmp_path):
    site = Site(tmp_path / "home", "cpu").start()
    try:
        (daphne,) = running(site, "daphne")
        os.kill(daphne, signal.SIGKILL)
        wait_until(lambda: health(site)["status"] == "degraded")  # it answers; the other queues have no worker
        assert running(site, "daphne") != [daphne]
        for _ in range(4):
            wait_until(lambda: running(site, "-Q cpu"))
            killed = running(site, "-Q cpu")[0]
            os.killpg(os.getpgid(killed), signal.SIGKILL)
            wait_until(lambda killed=killed: killed not in running(site, "-Q cpu"))  # the next one may be there at once
        wait_until(lambda: health(site).get("processes") is False)
        assert health(site)["database"] is True
        assert "cpu@" in site.manage("workers").stderr
        began = time.monotonic()
        assert site.stop() == 0  # it is pausing before the next start
        assert time.monotonic() - began < 30
    finally:
        site.stop()
    assert site.processes() == []


def test_a_database_that_does_not_answer_is_one_line(tmp_path):
    gone = tmp_path / "nothing"
    site = Site(tmp_path / "home", only="web", DATABASE_URL=f"postgres://ada@/site?host={gone}")
    with pytest.raises(RuntimeError) as raised:
        site.start()
    assert "The database does not answer" in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert site.processes() == []


def test_it_can_be_started_from_any_folder(tmp_path):
    site = Site(tmp_path / "home", "cpu", root=tmp_path)
    site.command[1] = str(ROOT / "manage.py")
    site.start()
    assert site.stop() == 0
