"""What pages say of what moderation did."""

from django import template

from gallery.models import ModerationAction, Video
from gallery.moderation import selectors

register = template.Library()


@register.simple_tag
def hiding_of(video: Video) -> ModerationAction | None:
    """Why a video is hidden. Asks the database only where it is."""
    return selectors.hiding_of(video)
