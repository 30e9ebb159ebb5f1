"""What pages outside of sharing show of it: the share panel, and how other sites preview the page itself."""

from django import template

from gallery.models import Video
from gallery.sharing import previews
from gallery.sharing.panel import SharePanel, panel_of

register = template.Library()


@register.simple_tag(takes_context=True)
def share_panel(context: template.Context, video: Video) -> SharePanel:
    return panel_of(context["request"], video)


@register.simple_tag(takes_context=True)
def link_preview(context: template.Context, title: str, description: str) -> list[tuple[str, str, str]]:
    """Return (attribute, name, content) of each `<meta>` tag of a page that shows no one clip."""
    return previews.tags_of_page(context["request"], title, description)
