"""allauth's forms for the second factor, hardened in three ways.

Malformed passkey responses count as incorrect: allauth lets some errors of the parser and of the signature check
escape, which would be a 500. And each authenticator code works only once, as RFC 6238 (section 5.2) requires: allauth
remembers it for one period, but it stays valid for longer if clock drift is tolerated (MFA_TOTP_TOLERANCE). And wrong
ones are counted by accounts.sign_in.guesses: after a right code, allauth also forgets those of the address.
"""

import struct
from collections.abc import Callable
from functools import wraps

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn import forms
from cryptography.exceptions import InvalidSignature
from django.core.cache import cache
from django.core.exceptions import ValidationError

from accounts.second_factor_secrets import UNREADABLE as CANNOT_BE_READ
from accounts.second_factor_secrets import Unreadable
from accounts.security import sign_ins
from accounts.sign_in.guesses import Kind
from auravideo.core.forms import clean_one_line, one_line

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


def counted(clean: Callable) -> Callable:
    """Count wrong entries for the account of the form, if it has one: a passkey that signs in names it itself."""

    @wraps(clean)
    def answer(form):
        if form.user is None:
            return clean(form)
        adapter = get_account_adapter()
        attempt = adapter.count_guess(Kind.CODE, form.user)
        try:
            cleaned = clean(form)
        except ValidationError:
            sign_ins.failed(adapter.request, Kind.CODE, form.user)
            raise
        attempt.forgive()
        return cleaned

    return answer


class OnceOnly(BaseAuthenticateForm):
    """A form that rejects a used authenticator code for as long as it would remain valid."""

    @counted
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


class ActivateByCodeForm(ActivateTOTPForm):
    clean_code = counted(ActivateTOTPForm.clean_code)


class AddPasskeyForm(forms.AddWebAuthnForm):
    clean = guarded(forms.AddWebAuthnForm.clean)

    def clean_name(self) -> str:
        return one_line(super().clean_name())


class RenamePasskeyForm(forms.EditWebAuthnForm):
    clean_name = clean_one_line("name")


class AuthenticateByPasskeyForm(forms.AuthenticateWebAuthnForm):
    clean_credential = counted(guarded(forms.AuthenticateWebAuthnForm.clean_credential))


class LoginByPasskeyForm(forms.LoginWebAuthnForm):
    clean_credential = guarded(forms.LoginWebAuthnForm.clean_credential)


class ReauthenticateByPasskeyForm(forms.ReauthenticateWebAuthnForm):
    clean_credential = counted(guarded(forms.ReauthenticateWebAuthnForm.clean_credential))
