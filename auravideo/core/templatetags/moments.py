"""Timestamps on pages: in the site's time zone, named; with JavaScript, in the reader's own."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Return a <time> element, which static/js/auravideo.js converts to local time; '' for None."""
    if value is None:
        return ""
    return format_html('<time datetime="{}" data-moment>{}</time>', value.isoformat(), moment_text(value))


@register.filter
def moment_text(value: datetime) -> str:
    """Return a timestamp as plain text, such as '26 November 2026, 20:40 UTC', for emails."""
    local = timezone.localtime(value)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"
