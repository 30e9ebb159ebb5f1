"""A new password ends the sessions elsewhere (Django sees to that), and whatever of them is open just then."""

from allauth.account.signals import password_changed, password_reset, password_set
from django.dispatch import receiver

from accounts import signals
from accounts.models import User


@receiver([password_changed, password_reset, password_set])
def end_what_is_open(user: User, **_kwargs: object) -> None:
    signals.sessions_ended.send(sender=User, user=user)
