"""The ports that tests give to their servers."""

import socket

from tests.rigs import ports


def test_all_are_different_and_can_be_listened_on():
    found = ports.free_ports(20)
    assert len(set(found)) == 20
    for port in found:
        socket.create_server(("127.0.0.1", port)).close()


def test_no_outgoing_connection_gets_one():
    with socket.create_server(("127.0.0.1", 0)) as server:
        chosen_by_kernel = server.getsockname()[1]
    assert all(port < chosen_by_kernel for port in ports.free_ports(20))


def test_one_that_is_taken_is_not_given(monkeypatch):
    first, second = ports.free_ports(2)
    drawn = iter([first, second])
    monkeypatch.setattr(ports._CHOICE, "randrange", lambda _first, _end: next(drawn))
    with socket.create_server(("127.0.0.1", first)):
        assert ports.free_port() == second
