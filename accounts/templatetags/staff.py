"""What pages tell staff about their second factor."""

from django import template

from accounts.http import Viewer
from accounts.staff import second_factor

register = template.Library()


@register.simple_tag
def needs_second_factor(user: Viewer) -> bool:
    """Return whether somebody of the staff has to set up a second factor."""
    return getattr(user, "is_staff", False) and second_factor.is_missing(user)
