"""What a browser tells of its subscription (the Push API's PushSubscription)."""

import base64
import binascii
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from accounts.models import PushSubscription
from accounts.push import endpoints

_AUTH_BYTES = 16  # RFC 8291, section 3.2
_UNREAD = ""  # a browser shows no text; the answer is 400


def _limit(name: str) -> int | None:
    return cast(models.CharField, PushSubscription._meta.get_field(name)).max_length


class EndpointForm(forms.Form):
    endpoint = forms.CharField(max_length=_limit("endpoint"))


class SubscriptionForm(EndpointForm):
    p256dh = forms.CharField(max_length=_limit("p256dh"))
    auth = forms.CharField(max_length=_limit("auth"))

    def clean_endpoint(self) -> str:
        endpoint = self.cleaned_data["endpoint"]
        if not endpoints.is_allowed(endpoint, settings.PUSH_SERVICES):
            raise ValidationError(_UNREAD, code="unknown")
        return endpoint

    def clean_p256dh(self) -> str:
        value = self.cleaned_data["p256dh"]
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decoded(value))
        except ValueError:
            raise ValidationError(_UNREAD, code="invalid") from None
        return value

    def clean_auth(self) -> str:
        value = self.cleaned_data["auth"]
        if len(_decoded(value)) != _AUTH_BYTES:
            raise ValidationError(_UNREAD, code="invalid")
        return value


def _decoded(value: str) -> bytes:
    """Decode base64url, padded or not; b"" if it is something else."""
    try:
        return base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
