"""Receivers of password changes and sign-outs. Django ends the other sessions; these end what is open in them."""

from allauth.account.signals import password_changed, password_reset, password_set
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import signals
from accounts.models import User
from accounts.security import sessions
from accounts.sign_in import guesses


@receiver([password_changed, password_reset, password_set])
def end_what_is_open(user: User, request: HttpRequest, **_kwargs: object) -> None:
    signals.sessions_ended.send(sender=User, user=user, but=request.session.session_key)


@receiver(password_reset)
def forget_failed_sign_ins(user: User, **_kwargs: object) -> None:
    guesses.forget(user)


@receiver(signals.sessions_ended)
def forget_sessions(user: User, but: str | None = None, **_kwargs: object) -> None:
    sessions.end_all(user, but=but)


@receiver(user_logged_out)
def forget_session(request: HttpRequest | None, **_kwargs: object) -> None:
    if request is not None:
        sessions.forget(request)
