"""Shared parts of the moderation pages: permissions, the clip, the history."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from auravideo.core.admin_actions import ObjectActions
from gallery.access import MODERATE, PICK
from gallery.models import ModerationAction, OwnCheck, SafetyRule, Screened, Screening, Video


class ForModerators(ObjectActions):
    """A ModelAdmin that is visible with one of the `readers` permissions and written only by services.

    It is hidden from all other staff.
    """

    readers: tuple[str, ...] = (MODERATE,)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet would count all rows again
    list_per_page = 25

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def has_pick_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PICK)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return any(map(request.user.has_perm, self.readers))

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class WhetherSet(admin.EmptyFieldListFilter):
    """A yes/no filter on a nullable field, such as the time of an event."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for choice, title in zip(super().choices(changelist), (_("All"), _("No"), _("Yes")), strict=True):
            yield {**choice, "display": title}


class Choice(admin.SimpleListFilter):
    """A filter with a default value; "all" lifts it."""

    default = ""

    def value(self) -> str:
        return super().value() or self.default

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, title in self.lookup_choices:
            query = changelist.get_query_string({str(self.parameter_name): value})
            yield {"selected": self.value() == value, "query_string": query, "display": title}


def clip_of(video: Video) -> SafeString:
    """Render the clip as a player. Until it is played, only the thumbnail is loaded.

    What the safety check held back is covered until one asks for it.
    """
    return render_to_string("admin/clip.html", {"video": video, "is_covered": is_covered(video)})


def is_covered(video: Video) -> bool:
    """Return whether staff see the video only when they ask for it."""
    return video.screening in (Screened.FLAGGED, Screened.REFUSED)


def scores_of(video: Video) -> SafeString:
    """Render what the safety check saw in a video, or why it could not look."""
    record = Screening.objects.filter(video=video).first()
    scores, threshold = record.scores if record else [], SafetyRule.current().threshold
    own = OwnCheck.failing().filter(video=video).first() if settings.SAFETY_CHECK else None
    values = {"video": video, "record": record, "own": own, "scores": scores, "threshold": threshold}
    return render_to_string("admin/safety_scores.html", values)


def about(video: Video) -> SafeString:
    """Render the title, prompt, owner and visibility of a video."""
    return render_to_string("admin/about_video.html", {"video": video})


def thumbnail_of(video: Video) -> SafeString:
    address = reverse("gallery:thumbnail", args=[video.pk])
    covered = " covered" if is_covered(video) else ""
    return format_html('<img class="moderation-thumb{}" src="{}" alt="" loading="lazy">', covered, address)


def link_to(thing: Video | User | None, text: str = "") -> SafeString | str:
    """Link to the admin page of a video or a user."""
    if thing is None:
        return "–"
    name = "admin:gallery_video_change" if isinstance(thing, Video) else "admin:accounts_user_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[thing.pk]), text or str(thing))


def history_table(actions: QuerySet[ModerationAction], *, names_video: bool = False) -> SafeString:
    values = {"actions": list(actions[:100]), "names_video": names_video}
    return render_to_string("admin/moderation_history.html", values)
