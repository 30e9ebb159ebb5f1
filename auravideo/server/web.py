"""The web processes of a machine: how many there are, and the socket that they share.

One process uses one core: pages and fragments are Python. Several accept connections from one listening socket, so
whichever is idle takes the next, and one that is being restarted refuses nobody.
"""

import socket

from django.conf import settings

from auravideo.core import operating_system

MOST = 4
CORES_EACH = 2  # the workers need the others
GIGABYTES_EACH = 4  # a process takes 0.15 GB; what matters are the models that share the memory with it
BACKLOG = 1024  # connections that wait to be accepted


def count(host: str, cores: int | None = None, memory: int | None = None) -> int:
    """Return how many web processes to run: AURAVIDEO_WEB_PROCESSES, or what suits this machine.

    Args:
        host: the address to listen on. Daphne can share sockets of IPv4 only.
        cores: by default, those that this process may use.
        memory: in bytes, by default the machine's.
    """
    if ":" in host:
        return 1
    if settings.WEB_PROCESSES:
        return settings.WEB_PROCESSES
    cores = cores or operating_system.cores()
    memory = memory or operating_system.total_memory()
    return max(1, min(MOST, cores // CORES_EACH, memory // (GIGABYTES_EACH * 2**30)))


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that holds the port. It refuses connections until `listen`, as a site does that has not started.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found
