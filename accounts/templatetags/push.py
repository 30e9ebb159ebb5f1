"""What the script of notifications needs to know."""

from django import template
from django.conf import settings

from accounts.http import SignedInRequest
from accounts.push import keys, sessions

register = template.Library()


@register.simple_tag
def push_key() -> str:
    """Return the key that browsers subscribe with; "" if this site sends no messages."""
    return keys.public_key() if settings.PUSH_SERVICES else ""


@register.simple_tag(takes_context=True)
def is_subscribed(context: dict) -> bool:
    """Return whether this session's browser has told its subscription."""
    request: SignedInRequest | None = context.get("request")
    return request is not None and sessions.is_subscribed(request)
