"""Copies of a site: its database and its videos, in a folder (`manage.py backup`, `manage.py restore`)."""


class BackupError(Exception):
    """A backup that cannot be made or restored; the message says why, and what to do."""
