"""The period that a clip is listed under."""

from datetime import datetime

from django import template
from django.utils import timezone

from gallery.library.dates import Period, group_of

register = template.Library()


@register.filter
def period(moment: datetime) -> Period:
    """Return the period of a moment as seen today, in the current time zone."""
    return group_of(timezone.localdate(moment), timezone.localdate())
