"""The WebSockets that this process holds."""

from weakref import WeakSet

from auravideo.core.metrics.declared import WEBSOCKETS_OPENED

_open: WeakSet[object] = WeakSet()  # weak: a connection that ends without a goodbye must not count forever


def opened(consumer: object) -> None:
    """Count an accepted connection."""
    _open.add(consumer)
    WEBSOCKETS_OPENED.inc()


def closed(consumer: object) -> None:
    """Forget a connection; one that was never accepted is fine."""
    _open.discard(consumer)


def open_now() -> int:
    """Return how many connections are open."""
    return len(_open)
