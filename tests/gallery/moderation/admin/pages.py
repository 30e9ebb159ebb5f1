"""Addresses of the moderation's pages, and what their tests do there."""

from django.urls import reverse
from django.utils import timezone

from gallery.models import Video, Visibility
from tests.factories import VideoFactory

QUEUE = reverse("admin:gallery_report_changelist")
VIDEOS = reverse("admin:gallery_video_changelist")
PEOPLE = reverse("admin:accounts_user_changelist")
TERMS = reverse("admin:generation_blockedterm_changelist")
HISTORY = reverse("admin:gallery_moderationaction_changelist")
OVERVIEW = reverse("admin-overview")
WHY = "Not here"


def a_public_video(**fields) -> Video:
    return VideoFactory(visibility=Visibility.PUBLIC, published_at=timezone.now(), **fields)


def act(client, address, decision, *rows, **data):
    """Submit an action with its reason, as the confirmation page does."""
    values = {"why": WHY, "decided": "yes", **data}
    chosen = {"action": decision.name, "_selected_action": [row.pk for row in rows]}
    return client.post(address, {**chosen, **values}, follow=True)


def texts(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def asked(client, address, decision, *rows) -> str:
    """Return the confirmation page of a decision."""
    return client.post(
        address, {"action": decision.name, "_selected_action": [row.pk for row in rows]}
    ).content.decode()


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
