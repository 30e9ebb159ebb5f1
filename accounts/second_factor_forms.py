"""allauth's forms for the second factor, hardened in two ways.

Malformed passkey responses count as incorrect: allauth lets some errors of the parser and of the signature check
escape, which would be a 500. And each authenticator code works only once, as RFC 6238 (section 5.2) requires: allauth
remembers it for one period, but it stays valid for longer if clock drift is tolerated (MFA_TOTP_TOLERANCE).
"""

import struct
from collections.abc import Callable
from functools import wraps

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms
from cryptography.exceptions import InvalidSignature
from django.core.cache import cache
from django.core.exceptions import ValidationError

from accounts.second_factor_secrets import UNREADABLE as CANNOT_BE_READ
from accounts.second_factor_secrets import Unreadable

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error, InvalidSignature)


def guarded(clean: Callable) -> Callable:
    """Treat credentials that are unreadable or signed by another key as incorrect."""

    @wraps(clean)
    def answer(form):
        try:
            return clean(form)
        except UNREADABLE as error:
            raise get_adapter().validation_error("incorrect_code") from error

    return answer


class OnceOnly(BaseAuthenticateForm):
    """A form that rejects a used authenticator code for as long as it would remain valid."""

    def clean_code(self) -> str:
        try:
            code = super().clean_code()
        except Unreadable as error:
            raise ValidationError(CANNOT_BE_READ) from error
        seconds = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        key = f"accounts.totp:{self.user.pk}:{''.join(filter(str.isalnum, code))}"
        if self.authenticator.type == Authenticator.Type.TOTP and not cache.add(key, True, timeout=seconds):
            raise get_adapter().validation_error("incorrect_code")
        return code


class CodeForm(OnceOnly, AuthenticateForm):
    pass


class ReauthenticateByCodeForm(OnceOnly, ReauthenticateForm):
    pass


class AddPasskeyForm(forms.AddWebAuthnForm):
    clean = guarded(forms.AddWebAuthnForm.clean)


class AuthenticateByPasskeyForm(forms.AuthenticateWebAuthnForm):
    clean_credential = guarded(forms.AuthenticateWebAuthnForm.clean_credential)


class LoginByPasskeyForm(forms.LoginWebAuthnForm):
    clean_credential = guarded(forms.LoginWebAuthnForm.clean_credential)


class ReauthenticateByPasskeyForm(forms.ReauthenticateWebAuthnForm):
    clean_credential = guarded(forms.ReauthenticateWebAuthnForm.clean_credential)
