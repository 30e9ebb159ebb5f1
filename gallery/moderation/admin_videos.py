"""The videos moderators may see. Private videos without a report are not among them.

Staff who may pick but not moderate see the public videos only, and no reports.
"""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gallery.access import MODERATE, PICK
from gallery.models import Video, VideoQuerySet
from gallery.moderation import decisions
from gallery.moderation.admin_parts import (
    ForModerators,
    WhetherSet,
    about,
    clip_of,
    history_table,
    link_to,
    scores_of,
    thumbnail_of,
)
from gallery.moderation.selectors import history_of_video, open_reports
from generation.requests.fields import FIELDS, Field, Kind


def _text_of(field: Field) -> Callable[[Video], str]:
    """Return a column that shows the user's text in a field of the request."""

    @admin.display(description=field.label)
    def written(video: Video) -> str:
        return video.request.get(field.name) or "–"

    written.__name__ = field.name
    return written


# Moderators judge everything the user wrote; the prompt itself is a column of the video.
TEXTS: list[Any] = [_text_of(field) for field in FIELDS.values() if field.kind is Kind.TEXT and field.name != "prompt"]


@admin.register(Video)
class VideoAdmin(ForModerators, admin.ModelAdmin):
    readers = (MODERATE, PICK)
    list_display = ["thumb", "about", "screening", "created_at"]
    list_display_links = ["created_at"]
    list_filter = [
        "visibility",
        ("hidden_at", WhetherSet),
        "screening",
        "safety",
        ("picked_at", WhetherSet),
        ("deleted_at", WhetherSet),
        ("created_at", admin.DateFieldListFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["title", "prompt", "user__username"]
    search_help_text = _("Words from the title or prompt, or the owner’s username.")
    actions = decisions.actions_for(
        decisions.APPROVE,
        decisions.REFUSE,
        decisions.DISMISS,
        decisions.HIDE,
        decisions.RESTORE,
        decisions.PICK,
        decisions.UNPICK,
        decisions.DELETE,
        decisions.WARN,
    )
    fieldsets = [
        (None, {"fields": ["clip", "title", "owner", "prompt", *TEXTS]}),
        (_("Who can see it"), {"fields": ["visibility", "hidden_at", "published_at", "deleted_at"]}),
        (_("Safety check"), {"fields": ["screening", "scored", "safety"]}),
        (_("Feedback"), {"fields": ["likes", "picked_at", "reports_open"]}),
        (_("File"), {"fields": ["model", "format", "width", "height", "frames", "fps", "size", "created_at"]}),
        (_("moderation history"), {"fields": ["history"]}),
    ]
    fields_of_pickers = ["clip", "title", "user_name", "prompt", "likes", "picked_at", "created_at"]
    readonly_fields = ["clip", "owner", "user_name", *TEXTS, "scored", "reports_open", "history"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        videos = cast(VideoQuerySet, super().get_queryset(request))
        return videos.open_to_moderation() if self.has_moderate_permission(request) else videos.listed()

    def get_list_display(self, request: HttpRequest) -> Any:
        few = ["thumb", "title", "user", "picked_at", "created_at"]  # no links to users, which are off limits to them
        return super().get_list_display(request) if self.has_moderate_permission(request) else few

    def get_fieldsets(self, request: HttpRequest, obj: Video | None = None) -> Any:
        few = [(None, {"fields": self.fields_of_pickers})]
        return super().get_fieldsets(request, obj) if self.has_moderate_permission(request) else few

    @admin.display(description=_("picture"))
    def thumb(self, video: Video) -> SafeString:
        return thumbnail_of(video)

    @admin.display(description=_("clip"))
    def clip(self, video: Video) -> SafeString:
        return clip_of(video)

    @admin.display(description=_("made by"), ordering="user__username")
    def owner(self, video: Video) -> SafeString | str:
        return link_to(video.user)

    @admin.display(description=_("made by"))
    def user_name(self, video: Video) -> str:
        """Return the owner's name as plain text, for staff who may not open the user's page."""
        return str(video.user)

    @admin.display(description=_("clip"), ordering="title")
    def about(self, video: Video) -> SafeString:
        return about(video)

    @admin.display(description=_("scores of the safety check"))
    def scored(self, video: Video) -> SafeString:
        return scores_of(video)

    @admin.display(description=_("open reports"))
    def reports_open(self, video: Video) -> int:
        return open_reports(video).count()

    @admin.display(description=_("moderation history"))
    def history(self, video: Video) -> SafeString:
        return history_table(history_of_video(video))
