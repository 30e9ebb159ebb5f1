"""The videos that moderators may look at: what is private and unreported is none of them."""

from typing import cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gallery.models import Video, VideoQuerySet
from gallery.moderation import decisions
from gallery.moderation.admin_parts import (
    ForModerators,
    WhetherSet,
    about,
    clip_of,
    history_table,
    link_to,
    thumbnail_of,
)
from gallery.moderation.selectors import history_of_video, open_reports


@admin.register(Video)
class VideoAdmin(ForModerators, admin.ModelAdmin):
    list_display = ["thumb", "about", "safety", "created_at"]
    list_display_links = ["created_at"]
    list_filter = [
        "visibility",
        ("hidden_at", WhetherSet),
        "safety",
        ("picked_at", WhetherSet),
        ("deleted_at", WhetherSet),
        ("created_at", admin.DateFieldListFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["title", "prompt", "user__username"]
    search_help_text = _("Words of the title or the prompt, or the owner’s user name.")
    actions = decisions.actions_for(
        decisions.DISMISS,
        decisions.HIDE,
        decisions.RESTORE,
        decisions.PICK,
        decisions.UNPICK,
        decisions.DELETE,
        decisions.WARN,
    )
    fieldsets = [
        (None, {"fields": ["clip", "title", "owner", "prompt", "negative_prompt"]}),
        (_("Who sees it"), {"fields": ["visibility", "hidden_at", "safety", "published_at", "deleted_at"]}),
        (_("What others make of it"), {"fields": ["likes", "picked_at", "reports_open"]}),
        (_("File"), {"fields": ["model", "format", "width", "height", "frames", "fps", "size", "created_at"]}),
        (_("history of moderation"), {"fields": ["history"]}),
    ]
    readonly_fields = ["clip", "owner", "negative_prompt", "reports_open", "history"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        return cast(VideoQuerySet, super().get_queryset(request)).open_to_moderation()

    @admin.display(description=_("picture"))
    def thumb(self, video: Video) -> SafeString:
        return thumbnail_of(video)

    @admin.display(description=_("clip"))
    def clip(self, video: Video) -> SafeString:
        return clip_of(video)

    @admin.display(description=_("made by"), ordering="user__username")
    def owner(self, video: Video) -> SafeString | str:
        return link_to(video.user)

    @admin.display(description=_("video"), ordering="title")
    def about(self, video: Video) -> SafeString:
        return about(video)

    @admin.display(description=_("negative prompt"))
    def negative_prompt(self, video: Video) -> str:
        return video.request.get("negative_prompt") or "–"

    @admin.display(description=_("open reports"))
    def reports_open(self, video: Video) -> int:
        return open_reports(video).count()

    @admin.display(description=_("history of moderation"))
    def history(self, video: Video) -> SafeString:
        return history_table(history_of_video(video))
