"""Moderators' bulk actions: each asks for a reason first, then reports what it did.

The confirmation page shows what was reported. The page of a single video or user offers only actions that would change
something.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from accounts.http import SignedInRequest
from accounts.joining import services as joining
from accounts.models import User
from gallery import access
from gallery.models import GIVEN_UP, Report, Video
from gallery.moderation import selectors, services

MAX_AT_ONCE = 100
REASON_LENGTH = 1000
REPORTS_SHOWN = 5  # per video or user, on the confirmation page

if TYPE_CHECKING:
    from gallery.annotated import NewestReport


LEFT = ngettext_lazy(
    "%d was left unchanged: nothing to change, or already gone.",
    "%d were left unchanged: nothing to change, or already gone.",
)


class ReasonForm(forms.Form):
    why = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("The user will read this, in your words."),
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
    )


class NoteForm(forms.Form):
    why = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("For the history; nobody else reads it."),
        max_length=REASON_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60}),
    )


class OptionalReasonForm(ReasonForm):
    """A reason is optional here, but the owner does read it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["why"].required = False


class SuspensionForm(ReasonForm):
    days = forms.TypedChoiceField(
        label=gettext_lazy("For how long"),
        choices=[
            (1, gettext_lazy("1 day")),
            (3, gettext_lazy("3 days")),
            (7, gettext_lazy("7 days")),
            (30, gettext_lazy("30 days")),
            (90, gettext_lazy("90 days")),
            ("", gettext_lazy("Until a moderator ends it")),
        ],
        coerce=int,
        empty_value=None,
        required=False,
        initial=7,
    )
    field_order = ("days", "why")


@dataclass(frozen=True)
class Subject:
    """The user a decision is about and, if it is about a video, that video."""

    person: User
    video: Video | None = None

    @property
    def clip(self) -> Video:
        """Return the video. Raises ValueError if the decision is about a user only."""
        if self.video is None:
            raise ValueError(f"There is no video to decide about, but {self.person} alone.")
        return self.video


@dataclass(frozen=True)
class Decision:
    """One admin action.

    Attributes:
        permission: required of the moderator.
        act: carries it out; returns a true value if anything changed.
        done: the success message, with the number of changes.
        left: the message for subjects that were left unchanged.
        changes: returns whether it would change anything.
        once_a_person: act once per user, however many of their videos are selected.
        is_final: irreversible, so the button is styled as a warning.
    """

    name: str
    permission: str
    title: Any
    meaning: Any
    done: Any
    act: Callable[[User, Subject, Mapping[str, Any], str], object]  # the last argument is the site's URL
    changes: Callable[[User, Subject], bool]
    form: type[forms.Form] = ReasonForm
    once_a_person: bool = False
    is_final: bool = False
    left: Any = LEFT


def _until(days: int | None) -> datetime | None:
    return timezone.now() + timedelta(days=days) if days else None


DISMISS = Decision(
    "dismiss",
    access.MODERATE,
    gettext_lazy("Dismiss reports"),
    gettext_lazy(
        "The clips below may stay. Their open reports are closed, and clips hidden only "
        "because of reports are shown again."
    ),
    ngettext_lazy("Reports on %d clip were dismissed.", "Reports on %d clips were dismissed."),
    lambda actor, subject, data, _site: services.dismiss(actor, subject.clip, data["why"]),
    lambda _actor, subject: selectors.open_reports(subject.clip).exists(),
    NoteForm,
)
HIDE = Decision(
    "hide",
    access.MODERATE,
    gettext_lazy("Hide from others"),
    gettext_lazy("Only the owner and moderators will see the clips below. The owner is told why."),
    ngettext_lazy("%d clip was hidden.", "%d clips were hidden."),
    lambda actor, subject, data, site: services.hide(actor, subject.clip, data["why"], site=site),
    lambda _actor, subject: selectors.would_hide(subject.clip),
)
RESTORE = Decision(
    "restore",
    access.MODERATE,
    gettext_lazy("Show to others again"),
    gettext_lazy(
        "The clips below are visible again to everyone their owner chose. Every open report on them is closed."
    ),
    ngettext_lazy("%d clip may be shown again.", "%d clips may be shown again."),
    lambda actor, subject, data, _site: services.restore(actor, subject.clip, data["why"]),
    lambda _actor, subject: subject.clip.hidden_at is not None,
)
APPROVE = Decision(
    "approve",
    access.MODERATE,
    gettext_lazy("Approve"),
    gettext_lazy(
        "The safety check held back the clips below, or has not seen them. Everyone their owner chose will see them, "
        "and the check will not hold them back again. The owner is told."
    ),
    ngettext_lazy("%d clip was approved.", "%d clips were approved."),
    lambda actor, subject, data, _site: services.approve(actor, subject.clip, data["why"]),
    lambda _actor, subject: selectors.would_approve(subject.clip),
    OptionalReasonForm,
)
REFUSE = Decision(
    "refuse",
    access.MODERATE,
    gettext_lazy("Do not approve"),
    gettext_lazy(
        "The safety check held back the clips below, or has not seen them. Only their owners will see them. They are "
        "told why."
    ),
    ngettext_lazy("%d clip was not approved.", "%d clips were not approved."),
    lambda actor, subject, data, site: services.refuse(actor, subject.clip, data["why"], site=site),
    lambda _actor, subject: selectors.would_refuse(subject.clip),
)
DELETE = Decision(
    "remove",
    access.MODERATE,
    gettext_lazy("Delete forever"),
    gettext_lazy(
        "The clips below are deleted forever, with their files. This cannot be undone. The owner is told why."
    ),
    ngettext_lazy("%d clip was deleted.", "%d clips were deleted."),
    lambda actor, subject, data, site: services.delete(actor, subject.clip, data["why"], site=site),
    lambda _actor, subject: subject.clip.deleted_at != GIVEN_UP,
    is_final=True,
)
WARN = Decision(
    "warn",
    access.MODERATE,
    gettext_lazy("Send a warning"),
    gettext_lazy("The users below get a warning, as a notice and by email. Open reports on the clip are closed."),
    ngettext_lazy("%d warning was sent.", "%d warnings were sent."),
    lambda actor, subject, data, site: services.warn(actor, subject.person, data["why"], subject.video, site=site),
    lambda _actor, subject: not subject.person.is_being_deleted,
)
SUSPEND = Decision(
    "suspend",
    access.MODERATE,
    gettext_lazy("Suspend"),
    gettext_lazy(
        "The users below are signed out and cannot sign in. Their waiting clips are cancelled, "
        "and their published clips are not shown. Nothing is deleted. They are told why and "
        "until when."
    ),
    ngettext_lazy("%d user was suspended.", "%d users were suspended."),
    lambda actor, subject, data, site: services.suspend(
        actor, subject.person, _until(data["days"]), data["why"], subject.video, site=site
    ),
    lambda actor, subject: selectors.would_suspend(actor, subject.person),
    SuspensionForm,
    once_a_person=True,
    left=ngettext_lazy(
        "%d was not suspended. You cannot suspend yourself, only superusers suspend other "
        "staff, and accounts that are being deleted or were switched off are already closed.",
        "%d were not suspended. You cannot suspend yourself, only superusers suspend other "
        "staff, and accounts that are being deleted or were switched off are already closed.",
    ),
)
UNSUSPEND = Decision(
    "unsuspend",
    access.MODERATE,
    gettext_lazy("End the suspension"),
    gettext_lazy("The users below can sign in again, and their published clips are shown again. They are told."),
    ngettext_lazy("%d suspension was ended.", "%d suspensions were ended."),
    lambda actor, subject, data, site: services.unsuspend(actor, subject.person, data["why"], site=site),
    lambda actor, subject: selectors.would_unsuspend(actor, subject.person),
    once_a_person=True,
)
ADMIT = Decision(
    "approve",
    access.MODERATE,
    gettext_lazy("Approve"),
    gettext_lazy("The newcomers below can sign in from now on. They are told by email."),
    ngettext_lazy("%d newcomer was approved.", "%d newcomers were approved."),
    lambda _actor, subject, _data, site: joining.approve(subject.person, site),
    lambda _actor, subject: subject.person.is_awaiting_approval,
    forms.Form,
    once_a_person=True,
)
DECLINE = Decision(
    "decline",
    access.MODERATE,
    gettext_lazy("Decline"),
    gettext_lazy("The accounts of the newcomers below are deleted. This cannot be undone. They are told by email."),
    ngettext_lazy("%d newcomer was declined.", "%d newcomers were declined."),
    lambda _actor, subject, _data, site: joining.decline(subject.person, site),
    lambda _actor, subject: subject.person.is_awaiting_approval,
    forms.Form,
    once_a_person=True,
    is_final=True,
)
PICK = Decision(
    "pick",
    access.PICK,
    gettext_lazy("Add to staff picks"),
    gettext_lazy("The clips below appear among the staff picks if they are public. The owner is told."),
    ngettext_lazy("%d clip was picked.", "%d clips were picked."),
    lambda actor, subject, data, _site: services.pick(actor, subject.clip, data["why"]),
    lambda _actor, subject: selectors.would_pick(subject.clip),
    OptionalReasonForm,
    left=ngettext_lazy(
        "%d was not picked: it is already among the picks, or it is not public.",
        "%d were not picked: they are already among the picks, or they are not public.",
    ),
)
UNPICK = Decision(
    "unpick",
    access.PICK,
    gettext_lazy("Remove from staff picks"),
    gettext_lazy("The clips below no longer appear among the staff picks. The owner is not told."),
    ngettext_lazy("%d clip is no longer picked.", "%d clips are no longer picked."),
    lambda actor, subject, data, _site: services.unpick(actor, subject.clip, data["why"]),
    lambda _actor, subject: subject.clip.picked_at is not None,
    NoteForm,
)


def actions_for(*decisions: Decision) -> list[Callable]:
    """Return the decisions as ModelAdmin actions. The ModelAdmin must define their `has_..._permission` methods."""
    return [_action(decision) for decision in decisions]


def _action(decision: Decision) -> Callable:
    @admin.action(description=decision.title, permissions=[decision.permission.partition(".")[2]])
    def ask_and_do(modeladmin: admin.ModelAdmin, request: SignedInRequest, queryset: QuerySet) -> HttpResponse | None:
        return _decide(modeladmin, request, queryset, decision)

    action: Any = ask_and_do  # carries extra attributes, see auravideo/core/admin_actions.py
    action.__name__ = decision.name
    action.changes = lambda request, row: decision.changes(request.user, _subject_of(row))
    action.is_final = decision.is_final
    return action


def _decide(
    modeladmin: admin.ModelAdmin, request: SignedInRequest, queryset: QuerySet, decision: Decision
) -> HttpResponse | None:
    """Show the page that asks for a reason; once it is given, act and return None, which goes back to the list."""
    if queryset.count() > MAX_AT_ONCE:
        messages.error(request, _("Select at most %d at once.") % MAX_AT_ONCE)
        return None
    subjects = _subjects(queryset, once_a_person=decision.once_a_person)
    form = decision.form(request.POST if "decided" in request.POST else None)
    if form.is_bound and form.is_valid():
        _do(request, subjects, decision, form.cleaned_data)
        return None
    context = {
        **modeladmin.admin_site.each_context(request),
        "opts": modeladmin.opts,
        "title": decision.title,
        "decision": decision,
        "form": form,
        "subjects": _with_reports(subjects, _reported(request, queryset), once_a_person=decision.once_a_person),
        "chosen": [row.pk for row in queryset],
    }
    return TemplateResponse(request, "admin/decide.html", context)


def _reported(request: SignedInRequest, queryset: QuerySet) -> QuerySet:
    """Return the rows whose reports are shown. Only moderators may read reports."""
    return queryset if request.user.has_perm(access.MODERATE) else queryset.none()


def _subjects(queryset: QuerySet, *, once_a_person: bool) -> list[Subject]:
    """Return the subjects of the selected reports, videos or users. Two reports on one video are one subject."""
    if queryset.model is User:
        return [_subject_of(person) for person in queryset]
    videos: Iterable[Video] = _videos(queryset).select_related("user").order_by("-created_at")
    if once_a_person:
        videos = {video.user_id: video for video in videos}.values()
    return [_subject_of(video) for video in videos]


def _subject_of(row: User | Video | Report) -> Subject:
    if isinstance(row, User):
        return Subject(row)
    video = row.video if isinstance(row, Report) else row
    return Subject(video.user, video)


def _videos(queryset: QuerySet) -> QuerySet[Video]:
    """Return the videos of the selected rows, directly or by report; for users, all of theirs."""
    column, field = {User: ("pk", "user"), Video: ("pk", "pk"), Report: ("video", "pk")}[queryset.model]
    return Video.objects.filter(**{f"{field}__in": queryset.order_by().values(column)})


def _with_reports(subjects: list[Subject], queryset: QuerySet, *, once_a_person: bool) -> list[dict]:
    """Return the subjects, each with its newest open reports and the number of reports not shown."""
    by_person = once_a_person or queryset.model is User
    reports: dict[Any, list[NewestReport]] = {}
    each = "video__user" if by_person else "video"
    for report in selectors.newest_open_reports(_videos(queryset), each, REPORTS_SHOWN):
        reports.setdefault(report.video.user_id if by_person else report.video_id, []).append(report)
    found = []
    for subject in subjects:
        shown = reports.get(subject.person.pk if by_person else subject.clip.pk, [])
        video = None if by_person else subject.video
        more = shown[0].of_all - len(shown) if shown else 0
        found.append({"person": subject.person, "video": video, "reports": shown, "more": more})
    return found


def _do(request: SignedInRequest, subjects: list[Subject], decision: Decision, data: Mapping[str, Any]) -> None:
    site = request.build_absolute_uri("/")
    done = sum(bool(decision.act(request.user, subject, data, site)) for subject in subjects)
    if done:
        messages.success(request, decision.done % done)
    if left := len(subjects) - done:
        messages.warning(request, decision.left % left)
