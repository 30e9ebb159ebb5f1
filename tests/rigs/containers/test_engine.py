"""The engine runs real containers, and leaves this machine as it was, however its run ends."""

import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.rigs.containers import folders, images
from tests.rigs.containers.engine import CommandFailed, Engine
from tests.rigs.containers.leftovers import Disk, Machine, adopt_orphans

pytestmark = pytest.mark.containers

SERVE = "mkdir /srv/www; echo served >/srv/www/page; exec python -m http.server -d /srv/www 8000"
RUN_UNTIL_KILLED = f"""
import signal
from tests.rigs.containers import images
from tests.rigs.containers.engine import Engine
with Engine() as engine:
    images.provide(engine, [])
    engine.docker("run", "--detach", "--publish", "8000:8000", "--memory", "64m", {images.BASE!r}, "sleep", "600")
    print("ready", flush=True)
    signal.pause()
"""


@pytest.fixture
def base(engine):
    images.provide(engine, [])
    return images.BASE


@pytest.fixture
def container(engine, base):
    """Return a function that starts a container in the background, with these options, and removes it in the end."""
    started = []

    def start(*options: str) -> str:
        started.append(engine.docker("run", "--detach", *options).strip())
        return started[-1]

    yield start
    for name in started:
        engine.docker("rm", "--force", "--volumes", name)


def read(engine, address: str) -> str:
    """Return what is at an address of the engine's network, as soon as something answers there."""
    import requests

    with engine.network():
        for _ in range(100):
            try:
                return requests.get(address, timeout=5).text
            except requests.ConnectionError:
                time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}")


def test_a_published_port_answers_in_the_engines_network_and_not_outside(engine, container, base):
    import requests

    container("--publish", "127.0.0.1:18321:8000", base, "sh", "-c", SERVE)
    assert read(engine, "http://127.0.0.1:18321/page") == "served\n"
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:18321/page", timeout=5)


def test_containers_download_but_do_not_reach_the_services_of_this_machine(engine, base):
    engine.docker("run", "--rm", base, "apt-get", "update", "-qq")
    probe = "import socket, sys; socket.create_connection(('10.0.2.2', int(sys.argv[1])), 5)"
    refused = pytest.raises(CommandFailed, match=r"refused|timed out|unreachable")
    with socket.create_server(("127.0.0.1", 0)) as ours, refused:
        engine.docker("run", "--rm", base, "python3", "-c", probe, str(ours.getsockname()[1]))


def test_memory_limits_read_only_roots_and_dropped_rights_are_real(engine, base):
    hard = ("--rm", "--memory", "64m", "--memory-swap", "64m")
    with pytest.raises(CommandFailed, match="ended with 137"):
        engine.docker("run", *hard, base, "python3", "-c", "x = bytearray(200_000_000)")
    with pytest.raises(CommandFailed, match="Read-only file system"):
        engine.docker("run", "--rm", "--read-only", base, "touch", "/here")
    with pytest.raises(CommandFailed, match="not permitted"):
        engine.docker("run", "--rm", "--cap-drop", "ALL", base, "chown", "1", "/etc/hostname")


def test_an_image_is_built_with_a_cache_mount_and_started_by_compose(engine, base):
    project = engine.folder / "sample"
    project.mkdir()
    (project / "Dockerfile").write_text(
        f"FROM {base}\nRUN --mount=type=cache,target=/cache date >>/cache/log && cp /cache/log /built\nUSER 1234\n"
    )
    (project / "token").write_text("a secret\n")
    (project / "compose.yaml").write_text(
        "services:\n  one:\n    build: .\n    command: sleep 600\n    secrets: [token]\n"
        "    healthcheck: {test: test -s /built, interval: 1s}\n"
        "  two:\n    build: .\n    command: id -u\n    depends_on: {one: {condition: service_healthy}}\n"
        "secrets: {token: {file: token}}\n"
    )
    engine.docker("compose", "up", "--detach", "--build", cwd=project)
    try:
        assert engine.docker("compose", "exec", "one", "cat", "/run/secrets/token", cwd=project) == "a secret\n"
        assert "1234" in engine.docker("compose", "logs", "two", cwd=project)
    finally:
        engine.docker("compose", "down", "--volumes", "--timeout", "1", cwd=project)


# --- What is left -----------------------------------------------------------------------------------------------------


@pytest.fixture
def before(engine):
    """Return the state of the machine, with everything that this test starts on record."""
    adopt_orphans()
    folders.sweep()
    return Machine(), Disk()


@pytest.mark.parametrize("fails", [False, True], ids=["normally", "by an error"])
def test_nothing_is_left_of_a_run_that_ends(before, fails):
    try:
        with Engine() as engine:
            images.provide(engine, [])
            engine.docker("run", "--detach", "--publish", "8000:8000", "--memory", "64m", images.BASE, "sleep", "600")
            assert Disk() != before[1], "this test does not see what it is for"
            assert Machine().processes != before[0].processes
            if fails:
                raise KeyError("a failing test")
    except KeyError:
        assert fails
    assert (Machine(), Disk()) == before


def test_an_engine_that_does_not_start_leaves_nothing(before, monkeypatch):
    monkeypatch.setattr(Engine, "_start_network", lambda *_: None)  # so the engine waits for its network in vain
    with pytest.raises(RuntimeError, match="slirp4netns did not set up tap0"), Engine():
        pass
    assert (Machine(), Disk()) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_ends_at_once_and_the_next_one_removes_its_files(before, number):
    run = subprocess.Popen([sys.executable, "-c", RUN_UNTIL_KILLED], cwd=images.REPOSITORY, stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"ready\n"
    assert len(Machine().processes - before[0].processes) > 5, "this test does not see what it is for"
    run.send_signal(number)
    assert run.wait(30) == -number
    deadline = time.monotonic() + 10
    while Machine() != before[0] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert Machine() == before[0]
    assert Disk() != before[1], "the killed run removed its files, so there is nothing for the next one to do"
    with Engine():
        pass
    assert (Machine(), Disk()) == before


def test_a_running_engine_is_left_alone_by_the_next_run(engine, base):
    assert engine.folder not in folders.sweep()
    assert engine.docker("images", "--quiet", base).strip()


def test_kept_data_loses_what_a_killed_run_left_in_it(engine, tmp_path, monkeypatch):
    downloads = folders.cache()
    monkeypatch.setenv("CONTAINERS_FOLDER", str(tmp_path))
    (tmp_path / "cache").symlink_to(downloads)
    with Engine(keep=True) as first:
        images.provide(first, [])
        first.docker("run", "--detach", "--restart", "always", "--volume", "left:/left", images.BASE, "sleep", "600")
    with Engine(keep=True) as second:
        assert second.docker("ps", "--all", "--quiet") == ""
        assert second.docker("volume", "ls", "--quiet") == ""
        assert second.docker("images", "--quiet", images.BASE).strip()
    shutil.rmtree(tmp_path / "data")
