"""Receivers of password changes. Django ends the other sessions; these end their open connections, too."""

from allauth.account.signals import password_changed, password_reset, password_set
from django.dispatch import receiver

from accounts import signals
from accounts.models import User
from accounts.sign_in import guesses


@receiver([password_changed, password_reset, password_set])
def end_what_is_open(user: User, **_kwargs: object) -> None:
    signals.sessions_ended.send(sender=User, user=user)


@receiver(password_reset)
def forget_failed_sign_ins(user: User, **_kwargs: object) -> None:
    guesses.forget(user)
