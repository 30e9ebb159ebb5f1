"""What happens elsewhere and concerns the open pages of a person."""

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import sessions_ended
from generation.queue import events


@receiver([user_logged_out, sessions_ended])
def hang_up(user: User | None, **_kwargs: object) -> None:
    """A page that was left open must hear nothing more when its person has signed out elsewhere, or changed the
    password because somebody else knew it."""
    if user is not None:
        events.hang_up(user.pk)
