"""Wait for what a page shows in the end, where `expect` has no matcher for it."""

import time
from collections.abc import Callable

PATIENCE = 15  # seconds, as long as `expect` waits


def until(page, is_so: Callable[[], object], otherwise: object) -> None:
    """Wait until `is_so()`, while the page's events come in; fail with `otherwise`, or with what that returns."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, otherwise() if callable(otherwise) else otherwise
        page.wait_for_timeout(50)
