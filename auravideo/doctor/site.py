"""Checks of the running site: its address, its processes."""

import base64
import http.client
import os
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError

from auravideo.commands import manage
from auravideo.core.addresses import links
from auravideo.core.metrics import presence
from auravideo.doctor.findings import Check, NotApplicable, Problem, State, brief
from auravideo.version import VERSION
from generation.domain.stages import QUEUES
from generation.queue import roster
from generation.queue.monitoring import failing

LOCAL = {"localhost", "127.0.0.1", "[::1]", "::1"}
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  compared, not listened on
SCHEDULE_SECONDS = 60  # the most frequent task is sent every 15 seconds
TIMEOUT = 5


class Unreachable(Problem):
    """Nobody answers at the site's address."""


def public_hosts() -> list[str]:
    """Return the allowed hosts that are not this machine alone."""
    return [host for host in settings.ALLOWED_HOSTS if host not in LOCAL]


def debug() -> str:
    if settings.DEBUG and public_hosts():
        fix = "Unset DEBUG: its error pages show settings and code to every visitor."
        raise Problem(f"DEBUG is on, for {', '.join(public_hosts())}", fix)
    return "on, for this machine only" if settings.DEBUG else "off"


def hosts() -> str:
    """Check that the settings of the site's address fit together."""
    allowed = {host.removeprefix(".") for host in settings.ALLOWED_HOSTS}
    if settings.HOST in EVERYWHERE and not public_hosts():
        fix = "Set SITE_URL to the address that people type, or HOST=127.0.0.1."
        raise Problem(
            f"listens on {settings.HOST}, but answers to {', '.join(sorted(allowed))} only", fix, State.WARNING
        )
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        host = urlsplit(origin).hostname or ""
        if host.removeprefix("*.") not in allowed and not any(host.endswith(f".{name}") for name in allowed):
            raise Problem(f"{origin} is trusted, but not allowed", f"Add {host} to ALLOWED_HOSTS.")
        if settings.HTTPS and not origin.startswith("https://"):
            raise Problem(f"HTTPS is on, but {origin} is trusted", "Write it with https:// in CSRF_TRUSTED_ORIGINS.")
    if public_hosts() and not settings.HTTPS:
        fix = "Put the site behind a proxy with TLS and set SITE_URL=https://...: passwords cross the network readable."
        raise Problem(f"{', '.join(public_hosts())} without HTTPS", fix, State.WARNING)
    if public_hosts() and not links.public_origin():
        fix = f"Set SITE_URL=https://{public_hosts()[0].removeprefix('.')}: links in emails lead to it."
        raise Problem("the site does not know the address that people use", fix, State.WARNING)
    return ", ".join(sorted(allowed))


def workers() -> str:
    """Check that every queue has a worker, and that all processes run this version."""
    try:
        counts = roster.workers_by_queue()
    except DatabaseError as error:
        raise NotApplicable("the database does not answer") from error
    if missing := [queue for queue in QUEUES if not counts[queue]]:
        fix = f"Start it: {manage('serve')} (the whole site), or serve --only workers --queues NAME for one queue."
        raise Problem(f"no worker on {', '.join(missing)}", fix)
    if others := sorted({f"{p.kind} on {p.machine}: {p.version}" for p in _present() if p.version != VERSION}):
        raise Problem(f"{'; '.join(others)}; here: {VERSION}", "Update and restart these machines.", State.WARNING)
    return ", ".join(f"{queue}: {counts[queue]}" for queue in QUEUES)


def processes() -> str:
    """Check that no process is restarted again and again, or runs and does not answer."""
    try:
        found = failing.everywhere()
    except redis.RedisError as error:
        raise NotApplicable("Redis does not answer") from error
    if found:
        fix = "Read what it writes before it exits, in the output of serve (with systemd: journalctl -u 'auravideo-*')."
        raise Problem("; ".join(map(str, found)), fix)
    return "none keeps exiting"


def scheduler() -> str:
    """Check that somebody sends the scheduled tasks."""
    _present()
    idle = presence.since_schedule()
    if idle is None or idle > SCHEDULE_SECONDS:
        detail = "has never run" if idle is None else f"sent its last task {idle:.0f} s ago"
        fix = f"Start it: {manage('serve --only scheduler')}. Without it, lost clips are not taken up again."
        raise Problem(detail, fix)
    return f"sent a task {idle:.0f} s ago"


def _present() -> list[presence.Presence]:
    try:
        return presence.present()
    except redis.RedisError as error:
        raise NotApplicable("Redis does not answer") from error


def address() -> str:
    """Return the address at which the site should answer."""
    if public := links.public_origin():
        return public
    host = "127.0.0.1" if settings.HOST in EVERYWHERE else settings.HOST
    return f"http://[{host}]:{settings.PORT}" if ":" in host else f"http://{host}:{settings.PORT}"


def pages() -> str:
    """Check that the site answers at its public address."""
    status, _body = _ask("/healthz")
    if status == 503:
        raise Problem(f"{address()} is up, but not healthy", "See the other findings.")
    if status != 200:
        fix = "Check what the proxy does with the path and the Host header (docs/install.md)."
        raise Problem(f"{address()}/healthz answers {status}", fix)
    if settings.SECURE_SSL_REDIRECT and _ask("/manifest.webmanifest")[0] == 301:  # to itself, forever
        raise Problem(f"{address()} takes HTTPS for HTTP", "Let the proxy set X-Forwarded-Proto (docs/install.md).")
    return address()


def websockets() -> str:
    """Check that WebSockets get through: the site refuses one without a session, with a 403 that has no text.

    A proxy's own 403 has a page, and the site answers 404 if it is not asked for a WebSocket.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    try:
        status, body = _ask("/ws/jobs/", {**headers, "Origin": address()})
    except Unreachable as error:
        raise NotApplicable("the site does not answer") from error
    if status == 403 and not body.strip():
        return f"{address()}/ws/jobs/"
    fix = "Let the proxy pass the headers Upgrade and Connection for /ws/ (docs/install.md)."
    raise Problem(f"a WebSocket to {address()}/ws/jobs/ got {status}", fix)


def _ask(path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Return status and body of a GET request. Raise Problem if the site cannot be reached."""
    parts = urlsplit(address())
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read(1000)
    except (OSError, http.client.HTTPException) as error:
        fix = "Start the site, and check HOST, PORT, SITE_URL, the name server and the firewall."
        raise Unreachable(f"{address()}: {brief(error)}", fix) from error
    finally:
        connection.close()


CHECKS: list[Check] = [
    ("DEBUG", debug),
    ("hosts", hosts),
    ("workers", workers),
    ("processes", processes),
    ("scheduler", scheduler),
    ("pages", pages),
    ("WebSockets", websockets),
]
