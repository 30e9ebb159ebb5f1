"""What machines that work together have to have in common."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_HERE = ("", "localhost", "127.0.0.1", "::1")


def remote_database() -> str:
    """Return the host of the database if it is on another machine, otherwise ''."""
    host = settings.DATABASES["default"].get("HOST") or ""
    return "" if host in _HERE or host.startswith("/") else host


def check() -> None:
    """Refuse what would make machines that share a database work against each other.

    Without a common Redis server, each sends the others' clips again and again, because it does not find their messages
    in its own. Without a common secret key, whoever signs in on one is signed out by the next.

    Raises:
        ImproperlyConfigured: the database is on another machine, and Redis or the secret key is this machine's own.
    """
    host = remote_database()
    if not host:
        return
    why = f"DATABASE_URL names a server that other machines may use too ({host})"
    if not settings.REDIS_URL:
        raise ImproperlyConfigured(f"{why}, so set REDIS_URL to the Redis server that they share.")
    if settings.SECRET_KEY_IS_GENERATED:
        raise ImproperlyConfigured(f"{why}, so set SECRET_KEY or SECRET_KEY_FILE to the same key on each.")
