"""What happens elsewhere and concerns the open pages of a person."""

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver

from generation import events


@receiver(user_logged_out)
def hang_up(user, **_kwargs: object) -> None:
    """A page that was left open must hear nothing more when its person has signed out in another tab."""
    if user is not None:
        events.hang_up(user.pk)
