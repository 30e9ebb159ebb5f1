"""The README's two commands work on a Debian that has make and Python and nothing else."""

import os
import time

import pytest
import requests

from tests.compose.guest import SITE, Guest
from tests.rigs.containers import project
from tests.rigs.containers.engine import CommandFailed, Engine
from tests.rigs.containers.images import import_root
from tests.rigs.containers.root_filesystems import RootFileSystem

pytestmark = pytest.mark.containers

GIGABYTES = 15
RELEASES = {"debian-12": "bookworm", "debian-13": "trixie"}
READY, READY_SECONDS = "AuraVideo is ready at http://127.0.0.1:8000", 1200
GROUP = "cut -d ' ' -f 5 /proc/$$/stat >/tmp/group"  # Ctrl-C goes to a group of processes; there is no `ps`
TEST_SECONDS = 3 * 3600
CLIP = {"aspect": "1:1", "short_side": "128", "seconds": "1", "fps": "16", "steps": "2", "seed": "7"}


@pytest.fixture(scope="module")
def engine():
    with Engine(GIGABYTES) as engine:
        yield engine


@pytest.fixture(params=RELEASES)
def machine(engine, request):
    """Yield a running container of a bare Debian with this checkout; its network is the engine's."""
    image, name = f"fresh/{request.param}", request.param
    import_root(engine, image, RootFileSystem(RELEASES[name], ("make", "python3", "python3-venv")))
    copy = engine.folder / name
    project.copy_checkout(copy)
    options = ("--detach", "--init", "--name", name, "--network", "host", "--workdir", "/srv/auravideo")
    engine.docker("run", *options, image, "sleep", "infinity")
    engine.docker("cp", f"{copy}/.", f"{name}:/srv/auravideo")
    yield name
    engine.docker("rm", "--force", "--volumes", name)
    engine.docker("image", "rm", image)


def shell(engine: Engine, machine: str, line: str, *options: str, **more) -> str:
    return engine.docker("exec", *options, machine, "sh", "-c", line, **more)


def test_make_run_serves_a_site_that_renders_and_make_test_passes(engine, machine):
    shell(engine, machine, "command -v make python3 && ! command -v git && ! command -v curl")
    started = time.monotonic()
    shell(engine, machine, f"{GROUP}; trap : INT; make run >/tmp/log 2>&1; echo $? >/tmp/status", "--detach")
    wait_until_ready(engine, machine)
    ready = time.monotonic()
    render(engine)
    rendered = time.monotonic()
    shell(engine, machine, "kill -INT -$(cat /tmp/group)")  # Ctrl-C
    wait_for_status(engine, machine)
    tests = os.environ.get("FRESH_TESTS", "")
    said = shell(engine, machine, f'make test K="{tests}" 2>&1', timeout=TEST_SECONDS)
    tested = time.monotonic()
    assert "Coverage: " in said, said  # the last line of `make test`
    print(f"\n{machine}: ready after {ready - started:.0f} s, a clip {rendered - ready:.0f} s,"
          f" tests {tested - rendered:.0f} s")  # fmt: skip


def wait_until_ready(engine: Engine, machine: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while READY not in (log := shell(engine, machine, "cat /tmp/log /tmp/status 2>/dev/null || true")):
        assert time.monotonic() < deadline and not log.endswith(("0\n", "2\n")), log
        time.sleep(1)


def render(engine: Engine) -> None:
    """Sign up and have a clip made, until its video can be downloaded."""
    guest = Guest(engine).sign_up()
    job = guest.create("a large red heart rising over the sea", **CLIP)
    deadline = time.monotonic() + 300
    while "/videos/" not in (page := guest.get(f"/jobs/{job}/").text.partition(f'id="job-{job}"')[2]):
        assert time.monotonic() < deadline, page
        time.sleep(1)


def wait_for_status(engine: Engine, machine: str) -> None:
    """Return when `make run` has ended and nothing answers any longer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            shell(engine, machine, "cat /tmp/status")
            break
        except CommandFailed:
            assert time.monotonic() < deadline, "make run did not end"
            time.sleep(0.5)
    with engine.network(), pytest.raises(requests.ConnectionError):
        requests.get(SITE, timeout=5)
