"""The health check of a web container ends a server that hangs; in a PID namespace, as in a container."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from auravideo.health import container
from tests.auravideo.server.test_supervisor import wait_until
from tests.site import ROOT

# Its first process is an init that ends with its child; the child listens, and answers once OPEN exists.
CONTAINER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1], *sys.argv[2:]], close_fds=False)
sys.exit(child.wait() != 0)
"""
SERVER = """
import os, socket, sys, time
listener = socket.socket(fileno=int(sys.argv[2]))
while True:
    connection, _ = listener.accept()
    while not os.path.exists(sys.argv[3]):
        time.sleep(0.05)
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 " + open(sys.argv[3], "rb").read() + b" x\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
"""
# The script itself, in seconds instead of minutes.
CHECK = """
import runpy, sys
from pathlib import Path
main = runpy.run_path(sys.argv[3])["main"]
main.__globals__.update(NOTES=Path(sys.argv[2]), ASK_SECONDS=0.5, HUNG_SECONDS=1.0)
sys.exit(main())
"""
SCRIPT = ROOT / "auravideo" / "health" / "container.py"


@pytest.fixture
def box(tmp_path):
    """Yield the port, the file with the server's answer, the container's process, and a function that checks it."""
    if os.getuid():
        pytest.skip("only root can make a namespace")
    answer = tmp_path / "answer"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        arguments = [SERVER, "auravideo.asgi:application", str(listener.fileno()), str(answer)]
        inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", CONTAINER]
        running = subprocess.Popen([*inside, *arguments], close_fds=False)
        wait_until(lambda: _first_of(running.pid))
        first = _first_of(running.pid)
        enter = ["nsenter", "--target", str(first), "--pid", "--mount"]
        command = [*enter, sys.executable, "-I", "-c", CHECK, str(port), str(tmp_path / "notes"), str(SCRIPT)]

        def check():
            return subprocess.run(command, capture_output=True, text=True, check=False)

        yield port, answer, running, check
        running.kill()
        running.wait()


def _first_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def test_one_that_answers_is_left_alone_whatever_it_answers(box):
    _port, answer, running, check = box
    answer.write_text("200")
    wait_until(lambda: check().returncode == 0)  # it may have just started
    answer.write_text("503")
    done = [check() for _ in range(6)]
    assert {one.returncode for one in done} == {1}
    assert any("/healthz answered 503" in one.stderr for one in done)
    assert running.poll() is None


def test_one_that_does_not_answer_is_ended_after_a_while_and_with_it_the_container(box):
    _port, _answer, running, check = box
    checks = 0
    while running.poll() is None and checks < 60:
        done = check()
        checks += 1
        assert done.stderr == "the server does not answer\n"
        time.sleep(0.1)
    assert checks >= container.QUESTIONS
    assert running.wait(10) == 1, "the container ends as its server did, so it is started again"


def test_one_that_answers_in_between_is_forgiven(box, tmp_path):
    _port, answer, _running, check = box
    check()
    assert (tmp_path / "notes").exists()
    answer.write_text("200")
    wait_until(lambda: check().returncode == 0)
    assert not (tmp_path / "notes").exists()


def test_outside_of_a_container_nothing_is_killed():
    assert container.server() is None


def test_a_server_that_got_no_cpu_has_not_hung(tmp_path, monkeypatch):
    waits = iter([0.0, 30.0, 60.0, 90.0, 90.0, 90.0, 90.0])
    monkeypatch.setattr(container, "_waited", lambda _pid: next(waits))
    hung = [container.is_hung(7, tmp_path / "notes", now) for now in (0, 30, 60, 90, 120, 149, 150)]
    assert hung == [False] * 6 + [True]


def test_another_server_begins_anew(tmp_path):
    notes = tmp_path / "notes"
    for now in (0, 30, 60):
        assert not container.is_hung(7, notes, now)
    assert not container.is_hung(8, notes, 90)
