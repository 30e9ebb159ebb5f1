"""The built-in safety check: what it found in each video, and the operator's rule about what follows."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Screened(models.TextChoices):
    """How far the built-in safety check is with a video."""

    UNSEEN = "unseen", _("Not checked yet")
    EARLIER = "earlier", _("Shared before there was a check")
    PASSED = "passed", _("Passed")
    FLAGGED = "flagged", _("Waits for a moderator")
    APPROVED = "approved", _("Approved by a moderator")
    REFUSED = "refused", _("Not approved by a moderator")


CLEARED = (Screened.EARLIER, Screened.PASSED, Screened.APPROVED)  # others may see the video
UNDECIDED = (Screened.UNSEEN, Screened.EARLIER)
MOST_ATTEMPTS = 3  # that a clip makes fail or hang: then a moderator has to look


class Strictness(models.TextChoices):
    LENIENT = "lenient", _("Lenient: from 0.90")
    BALANCED = "balanced", _("Balanced: from 0.70")
    STRICT = "strict", _("Strict: from 0.30")
    OWN = "own", _("A threshold of your own")


THRESHOLDS = {Strictness.LENIENT: 0.9, Strictness.BALANCED: 0.7, Strictness.STRICT: 0.3}


class SafetyRule(models.Model):
    """The operator's rule: one row. Without it, the check is on and balanced."""

    is_on = models.BooleanField(
        _("on"),
        default=True,
        help_text=_("Others see a clip only once it has been checked. Turned off, they see it at once."),
    )
    strictness = models.CharField(
        _("strictness"),
        max_length=8,
        choices=Strictness,
        default=Strictness.BALANCED,
        help_text=_("A clip whose highest score reaches the threshold waits for a moderator."),
    )
    own_threshold = models.FloatField(
        _("own threshold"),
        default=THRESHOLDS[Strictness.BALANCED],
        validators=[MinValueValidator(0.01), MaxValueValidator(1.0)],
        help_text=_("From 0.01 to 1. Used only with “A threshold of your own”."),
    )

    class Meta:
        verbose_name = _("safety check")
        verbose_name_plural = _("safety check")

    def __str__(self) -> str:
        return str(self.get_strictness_display()) if self.is_on else str(_("off"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @property
    def threshold(self) -> float:
        """Return the score from which a clip waits for a moderator."""
        return THRESHOLDS.get(Strictness(self.strictness), self.own_threshold)

    @classmethod
    def current(cls) -> "SafetyRule":
        return cls.objects.filter(pk=1).first() or cls()

    @classmethod
    def is_off(cls) -> models.Q:
        """Return the condition, of any query, that the check is switched off."""
        return models.Q(models.Exists(cls.objects.filter(pk=1, is_on=False)))


class Screening(models.Model):
    """A record of the check of one video: when it was asked for, what it scored, or why it failed.

    The files of a video never change, so its scores are stored for good. A new threshold is applied to them.
    """

    class Problem(models.TextChoices):
        MISSING = "missing", _("the check is not installed where the worker runs")
        FILE = "file", _("the clip’s file cannot be read")
        STORAGE = "storage", _("the storage does not answer")
        OTHER = "other", _("an error on our side")

    video = models.OneToOneField(
        "gallery.Video", models.CASCADE, primary_key=True, related_name="screening_record", verbose_name=_("clip")
    )
    asked_at = models.DateTimeField(_("asked for"))
    sent_at = models.DateTimeField(_("last message"))
    tried_at = models.DateTimeField(_("last attempt"), null=True, blank=True)
    # Attempts that failed or have not ended; not those for want of a package or of the storage.
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0, db_default=0)
    problem = models.CharField(_("problem"), max_length=8, choices=Problem, blank=True, default="")
    network = models.CharField(_("network"), max_length=40, blank=True, default="")
    scores = models.JSONField(_("scores"), default=list, blank=True)  # [[second, score]]; the poster's second is null
    highest = models.FloatField(_("highest score"), null=True, blank=True)  # null: nothing has looked yet

    class Meta:
        verbose_name = _("safety check of a clip")
        verbose_name_plural = _("safety checks of clips")
        indexes = [models.Index(fields=["highest"], name="screening_highest")]

    def __str__(self) -> str:
        return str(self.pk)


class OwnCheck(models.Model):
    """What became so far of the operator's own check of a video; deleted once that has decided."""

    video = models.OneToOneField(
        "gallery.Video", models.CASCADE, primary_key=True, related_name="own_check", verbose_name=_("clip")
    )
    tried_at = models.DateTimeField(_("last attempt"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0)  # as of Screening
    problem = models.CharField(_("problem"), max_length=8, choices=Screening.Problem, blank=True, default="")

    class Meta:
        verbose_name = _("own safety check of a clip")
        verbose_name_plural = _("own safety checks of clips")

    def __str__(self) -> str:
        return str(self.pk)

    @classmethod
    def failing(cls) -> models.QuerySet["OwnCheck"]:
        """Return the records of shared videos that the check could not look at, the latest attempt first.

        A moderator has to decide about some of them; those about which one has decided are left out.
        """
        failed = ~models.Q(problem="") | models.Q(attempts__gte=MOST_ATTEMPTS)
        found = cls.objects.filter(failed, video__safety="unchecked", video__deleted_at=None)
        return (
            found.exclude(video__visibility="private").exclude(video__screening=Screened.REFUSED).order_by("-tried_at")
        )

    @property
    def why(self) -> str:
        """Return why the last attempt failed."""
        return str(Screening.Problem(self.problem or Screening.Problem.OTHER).label)
