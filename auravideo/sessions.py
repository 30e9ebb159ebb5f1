"""Sessions are read from the cache first, a query less on every page; the rows in the database are what counts."""

from django.contrib.sessions.backends.cached_db import SessionStore as CachedSessionStore


class SessionStore(CachedSessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie that holds anything but what is given out means nobody: PostgreSQL refuses a NUL with an error."""
        return bool(super()._validate_session_key(key)) and len(key) <= 40 and key.isascii() and key.isalnum()
