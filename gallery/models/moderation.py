"""Reports of videos, and the actions taken on videos and users."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models.video import Video


class Reason(models.TextChoices):
    """The reason for reporting a video."""

    SEXUAL = "sexual", _("Sexual content")
    VIOLENCE = "violence", _("Violence or cruelty")
    HATE = "hate", _("Hate or harassment")
    PERSON = "person", _("Shows a real person without consent")
    COPYRIGHT = "copyright", _("Someone else's work")
    SPAM = "spam", _("Advertising or spam")
    OTHER = "other", _("Something else")


class ReportState(models.TextChoices):
    OPEN = "open", _("Open")
    UPHELD = "upheld", _("Action taken")
    DISMISSED = "dismissed", _("Dismissed")


class Report(models.Model):
    """A complaint about a video. `reporter` is null for anonymous visitors."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    video = models.ForeignKey(Video, models.CASCADE, related_name="reports", verbose_name=_("clip"))
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="reports",
        verbose_name=_("reported by"),
    )
    # A keyed hash of the visitor's IP address: tells visitors apart without identifying them.
    visitor_key = models.CharField(_("visitor key"), max_length=32, blank=True, editable=False)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    note = models.TextField(_("note"), max_length=1000, blank=True)
    # How much it counts towards hiding the video (gallery/moderation/standing.py). Older reports count as nothing.
    weight = models.FloatField(_("weight"), default=0.0, db_default=0.0, editable=False)
    created_at = models.DateTimeField(_("reported"), auto_now_add=True)
    state = models.CharField(_("state"), max_length=9, choices=ReportState, default=ReportState.OPEN)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("handled by")
    )
    handled_at = models.DateTimeField(_("handled"), null=True, blank=True)

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "-created_at"], name="report_queue")]
        permissions = [("moderate", _("Can moderate: handle reports, clips and people"))]

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.video.title}"


class PastReport(models.Model):
    """What is left of a report when its clip is gone: of whose clip, why, and what was decided; nothing of the content.

    Otherwise, deleting a clip would undo what its owner and its reporters are known for. Kept for a year, without the
    names of those whose account is closed. Written by gallery.moderation.services.
    """

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="past_reports_of_clips",
        verbose_name=_("user concerned"),
    )
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="past_reports",
        verbose_name=_("reported by"),
    )
    visitor_key = models.CharField(_("visitor key"), max_length=32, blank=True, db_index=True)  # as of a report
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    state = models.CharField(_("state"), max_length=9, choices=ReportState)  # open: nobody has decided
    created_at = models.DateTimeField(_("reported"))
    handled_at = models.DateTimeField(_("handled"), null=True)
    gone_at = models.DateTimeField(_("clip deleted"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("report on a deleted clip")
        verbose_name_plural = _("reports on deleted clips")
        ordering = ["-gone_at"]

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.get_state_display()}"


class Act(models.TextChoices):
    """A moderation action."""

    DISMISS = "dismiss", _("Reports dismissed")
    HIDE = "hide", _("Clip hidden")
    AUTO_HIDE = "auto-hide", _("Clip hidden until it is reviewed")
    RESTORE = "restore", _("Clip shown again")
    WAIT = "wait", _("Clip waits for a moderator")
    APPROVE = "approve", _("Clip approved")
    REFUSE = "refuse", _("Clip not approved")
    PASS = "pass", _("Clip passed the safety check")
    DELETE = "delete", _("Clip deleted")
    WARN = "warn", _("Warning")
    SUSPEND = "suspend", _("Account suspended")
    UNSUSPEND = "unsuspend", _("Suspension ended")
    PICK = "pick", _("Picked by staff")
    UNPICK = "unpick", _("No longer picked by staff")


class ModerationAction(models.Model):
    """An entry of the moderation history: who did what to which video or user, when and why. Append-only.

    `actor` is null if the site acted automatically; `person` is the user concerned, who sees the entry as a notice.
    """

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    act = models.CharField(_("action"), max_length=10, choices=Act)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("taken by")
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="moderation_actions",
        verbose_name=_("user concerned"),
    )
    video = models.ForeignKey(
        Video,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="moderation_actions",
        verbose_name=_("clip"),
    )
    video_title = models.CharField(_("clip title"), max_length=200, blank=True)  # until the account is gone
    reason = models.TextField(_("reason"), max_length=1000, blank=True)  # shown to the user concerned
    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    seen_at = models.DateTimeField(_("seen by the user"), null=True, blank=True)

    class Meta:
        verbose_name = _("moderation action")
        verbose_name_plural = _("moderation actions")
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["person", "-created_at"], name="notices_of_person"),
            models.Index(fields=["video", "-created_at"], name="history_of_video"),
        ]

    def __str__(self) -> str:
        return f"{self.get_act_display()} {self.video_title}".strip()

    @property
    def is_bad(self) -> bool:
        """Return whether the action restricts the user concerned."""
        return self.act in (Act.HIDE, Act.AUTO_HIDE, Act.REFUSE, Act.DELETE, Act.WARN, Act.SUSPEND)

    @property
    def is_good(self) -> bool:
        return self.act in (Act.RESTORE, Act.APPROVE, Act.PASS, Act.UNSUSPEND, Act.PICK)

    @property
    def links_to_video(self) -> bool:
        """Return whether the user concerned can still open the video."""
        return self.video is not None and self.video.user_id == self.person_id and self.video.deleted_at is None
