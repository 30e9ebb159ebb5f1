"""The rig is another machine as far as it claims to be."""

import socket
import subprocess
import sys

import pytest

from tests.rigs import other_machine

pytestmark = pytest.mark.skipif(
    not other_machine.is_possible(), reason="needs iproute2 and the right to make namespaces"
)

READ = """
import pathlib, socket, sys
here, port, closed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4])
with socket.create_connection((here, port), timeout=5) as service:
    service.sendall(b"hello")
    print(service.recv(5).decode())
for address in ((here, closed), ("127.0.0.1", closed)):
    try:
        socket.create_connection(address, timeout=2)
    except OSError:
        print("refused")
print(list(folder.iterdir()))
"""


def test_it_reaches_what_is_forwarded_and_nothing_else(tmp_path):
    (tmp_path / "secret").write_text("of the site")
    with other_machine.running() as machine, socket.create_server(("127.0.0.1", 0)) as echo:
        port = machine.open_port(echo.getsockname())
        command = [*machine.prefix(tmp_path), sys.executable, "-c", READ, machine.here, str(port)]
        command += [str(echo.getsockname()[1]), str(tmp_path)]
        visitor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        connection, _address = echo.accept()
        connection.sendall(connection.recv(5).upper())
        connection.close()
        output, _ = visitor.communicate(timeout=30)
    assert output.splitlines() == ["HELLO", "refused", "refused", "[]"]
    assert (tmp_path / "secret").read_text() == "of the site", "only its own view was hidden"


def test_it_leaves_nothing_behind():
    with other_machine.running() as machine:
        name = machine.name
        assert name in _listed("netns", "list")
    assert name not in _listed("netns", "list")
    assert name not in _listed("link", "show")


def _listed(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
