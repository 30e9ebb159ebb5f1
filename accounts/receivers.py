"""Receivers of password changes. Django ends the other sessions; these end their open connections, too."""

from allauth.account.signals import password_changed, password_reset, password_set
from django.dispatch import receiver

from accounts import signals
from accounts.models import User


@receiver([password_changed, password_reset, password_set])
def end_what_is_open(user: User, **_kwargs: object) -> None:
    signals.sessions_ended.send(sender=User, user=user)
