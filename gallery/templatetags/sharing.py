"""The share panel, for any of the owner's pages that has the video."""

from django import template

from gallery.models import Video
from gallery.sharing.panel import SharePanel, panel_of

register = template.Library()


@register.simple_tag(takes_context=True)
def share_panel(context: template.Context, video: Video) -> SharePanel:
    return panel_of(context["request"], video)
