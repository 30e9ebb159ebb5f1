"""Django's sessions in the database, which PostgreSQL is asked for with nothing but what they are found by."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie that holds anything but what is given out means nobody: PostgreSQL refuses a NUL with an error."""
        return bool(super()._validate_session_key(key)) and len(key) <= 40 and key.isascii() and key.isalnum()
