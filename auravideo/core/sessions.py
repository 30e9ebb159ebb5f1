"""Database sessions that look up only well-formed session keys."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """Treat a malformed cookie as anonymous: PostgreSQL raises an error for a NUL byte."""
        if key is None or not super()._validate_session_key(key):  # type: ignore[misc]  # private, not in the stubs
            return False
        return len(key) <= 40 and key.isascii() and key.isalnum()
