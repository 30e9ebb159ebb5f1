"""What may be used, and what was."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from generation.models.job import Job
from generation.requests.fields import MIN_SIDE


class Quota(models.Model):
    """What a user, the members of a group, or everybody may use; generation.quotas reads it.

    An empty field sets nothing: a user's own value counts before the most generous one of their groups, and that before
    everybody's. A field that nobody sets is not limited.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="quota",
        verbose_name=_("user"),
        help_text=_("Leave user and group empty for the quota of everybody who has no other."),
    )
    group = models.OneToOneField(
        "auth.Group", models.CASCADE, null=True, blank=True, related_name="quota", verbose_name=_("group")
    )
    is_unlimited = models.BooleanField(
        _("unlimited"), default=False, help_text=_("No quota at all; the limits of the site still hold.")
    )
    waiting = models.PositiveIntegerField(
        _("waiting clips"), null=True, blank=True, help_text=_("Clips that wait or render at a time. 0 allows none.")
    )
    seconds_a_day = models.PositiveIntegerField(
        _("seconds of video a day"),
        null=True,
        blank=True,
        help_text=_("In any 24 hours. Failed and cancelled clips do not count; deleted ones do."),
    )
    max_side = models.PositiveIntegerField(
        _("longest side"), null=True, blank=True, validators=[MinValueValidator(MIN_SIDE)], help_text=_("In pixels.")
    )
    max_seconds = models.PositiveIntegerField(
        _("longest clip"), null=True, blank=True, validators=[MinValueValidator(1)], help_text=_("In seconds.")
    )
    storage_mb = models.PositiveIntegerField(
        _("storage"), null=True, blank=True, help_text=_("In megabytes, of finished clips, the trash included.")
    )

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(user=None) | Q(group=None), name="quota_of_a_user_or_a_group"),
            models.UniqueConstraint(
                Coalesce("group", Value(0)),
                name="one_quota_for_everybody",
                condition=Q(user=None, group=None),
                violation_error_message=_("There is already a quota for everybody."),
            ),
        ]

    LIMITS = ("waiting", "seconds_a_day", "max_side", "max_seconds", "storage_mb")

    def __str__(self) -> str:
        return str(self.user or self.group or _("everybody"))

    def clean(self) -> None:
        if self.user_id and self.group_id:
            raise ValidationError({"group": _("Choose a user or a group, not both.")})
        if self.is_unlimited and any(getattr(self, name) is not None for name in self.LIMITS):
            raise ValidationError({"is_unlimited": _("Clear the limits below, or this box.")})


class LedgerEntry(models.Model):
    """The seconds of video that a clip costs its owner's quota. Written by generation.quotas.ledger only.

    It outlives the clip: deleting a finished clip does not give its seconds back. Those of a failed or cancelled job do
    not count, except what was rendered of it before its owner cancelled it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="ledger_entries", verbose_name=_("user")
    )
    # Not enforced by the database: workers of the version before, which delete jobs, don't know this table.
    job = models.OneToOneField(
        Job,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="ledger_entry",
        db_constraint=False,
        verbose_name=_("job"),
    )
    seconds = models.PositiveIntegerField(_("seconds of video"))
    # Rendered before the job was cancelled, each time; counts whatever becomes of it.
    spent = models.PositiveIntegerField(_("seconds rendered and cancelled"), default=0, db_default=0)
    size = models.PositiveBigIntegerField(_("estimated size in bytes"))
    counted_at = models.DateTimeField(_("counted"))  # when it was queued, by the database's clock

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        default_permissions = ()
        ordering = ["counted_at"]
        indexes = [models.Index(fields=["user", "counted_at"], name="ledger_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.seconds} s"
