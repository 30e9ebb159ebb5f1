"""Durations in words, rounded as an estimate deserves."""

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()


@register.filter
def about(seconds: float | None) -> str:
    """Format seconds as '5 s', '3 min' or '2 h 10 min'; '' for None."""
    if seconds is None:
        return ""
    if seconds < 90:
        return _("%s s") % max(1, round(seconds))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("%s min") % minutes
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    if hours < 24:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest} if rest else _("%s h") % hours
    days = round(hours / 24)
    return ngettext("%s day", "%s days", days) % days
