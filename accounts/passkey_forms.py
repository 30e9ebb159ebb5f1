"""allauth's forms for passkeys, with an answer for what no authenticator would send.

allauth lets some errors of the parser and of the signature check through, which would be an error 500.
"""

import struct
from collections.abc import Callable
from functools import wraps

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms
from cryptography.exceptions import InvalidSignature

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, struct.error, InvalidSignature)


def guarded(clean: Callable) -> Callable:
    """A credential that cannot be read, or that was signed by another key, is an incorrect one."""

    @wraps(clean)
    def answer(form):
        try:
            return clean(form)
        except UNREADABLE as error:
            raise get_adapter().validation_error("incorrect_code") from error

    return answer


class AddPasskeyForm(forms.AddWebAuthnForm):
    clean = guarded(forms.AddWebAuthnForm.clean)


class AuthenticateByPasskeyForm(forms.AuthenticateWebAuthnForm):
    clean_credential = guarded(forms.AuthenticateWebAuthnForm.clean_credential)


class LoginByPasskeyForm(forms.LoginWebAuthnForm):
    clean_credential = guarded(forms.LoginWebAuthnForm.clean_credential)


class ReauthenticateByPasskeyForm(forms.ReauthenticateWebAuthnForm):
    clean_credential = guarded(forms.ReauthenticateWebAuthnForm.clean_credential)
