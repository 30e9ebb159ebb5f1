"""How many web processes a machine runs, and the port that they share."""

import socket

import pytest

from auravideo.server import processes, web

GB = 2**30


@pytest.mark.parametrize(
    ("cores", "gigabytes", "count"),
    [(1, 2, 1), (2, 16, 1), (4, 4, 1), (4, 8, 2), (8, 8, 2), (8, 64, 4), (64, 512, 4)],
)
def test_a_machine_runs_as_many_as_suit_its_cores_and_memory(cores, gigabytes, count):
    assert web.count("127.0.0.1", cores, gigabytes * GB) == count


def test_the_setting_wins(settings):
    settings.WEB_PROCESSES = 3
    assert web.count("0.0.0.0", 1, GB) == 3


def test_an_address_of_ipv6_has_one(settings):
    settings.WEB_PROCESSES = 3
    assert web.count("::", 64, 512 * GB) == 1


def test_the_port_is_held_but_refuses_connections_until_the_site_starts():
    with web.bind("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        held.listen(web.BACKLOG)
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError, match="in use"):
            web.bind("127.0.0.1", port)


def test_each_process_has_a_name_and_inherits_the_socket():
    with web.bind("127.0.0.1", 0) as held:
        found = processes.sites(held, "127.0.0.1", 3)
        assert [process.name for process in found] == ["site", "site-2", "site-3"]
        assert all(process.files[0] == held.fileno() and process.must_start for process in found)
        assert len({file for process in found for file in process.files}) == 1 + 3, "each has one of its own besides"
