"""Django's sessions in the database, which PostgreSQL is asked for with nothing but what they are found by."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie that holds anything but what is given out means nobody: PostgreSQL refuses a NUL with an error."""
        if key is None or not super()._validate_session_key(key):  # type: ignore[misc]  # private, not in the stubs
            return False
        return len(key) <= 40 and key.isascii() and key.isalnum()
