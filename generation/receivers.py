"""Signal receivers that affect a user's open pages."""

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import sessions_ended
from generation.queue import events


@receiver([user_logged_out, sessions_ended])
def hang_up(user: User | None, **_kwargs: object) -> None:
    """Disconnect the user's open pages after a sign-out or a password change, in case someone else had access."""
    if user is not None:
        events.hang_up(user.pk)
