"""Template tags about moderation."""

from django import template

from gallery.models import ModerationAction, Video
from gallery.moderation import selectors

register = template.Library()


@register.simple_tag
def hiding_of(video: Video) -> ModerationAction | None:
    """Return why a video is hidden. Queries the database only if it is."""
    return selectors.hiding_of(video)
