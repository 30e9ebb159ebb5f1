"""The browser that tests, benchmarks and screenshots drive: Debian's Chromium (scripts/need_browser installs it)."""

import shutil


def executable() -> str | None:
    """Return the path of the installed Chromium, preferring the headless build, or None."""
    return next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
