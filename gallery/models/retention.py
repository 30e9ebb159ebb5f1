"""Rules about how long the site keeps what nobody may need."""

from datetime import datetime, timedelta
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

NOTICE = timedelta(days=7)


class RetentionRule(models.Model):
    """A rule of the operator's. It applies a week after it was switched on or made stricter; pages announce it."""

    class Kind(models.TextChoices):
        FAILED = "failed", _("Failed clips")
        DRAFTS = "drafts", _("Drafts that were never opened")

    kind = models.CharField(_("what"), max_length=10, choices=Kind, unique=True)
    days = models.PositiveSmallIntegerField(
        _("days"), validators=[MinValueValidator(1)], help_text=_("How long they are kept.")
    )
    is_active = models.BooleanField(
        _("active"), default=False, help_text=_("Applies a week later; until then, pages announce it.")
    )
    announced_at = models.DateTimeField(_("announced"), editable=False, default=timezone.now)

    class Meta:
        verbose_name = _("retention rule")
        verbose_name_plural = _("retention rules")
        ordering = ["kind"]

    def __str__(self) -> str:
        return str(self.get_kind_display())

    def save(self, *args: Any, **kwargs: Any) -> None:
        before = RetentionRule.objects.filter(pk=self.pk).first()
        if self.is_active and (before is None or not before.is_active or self.days < before.days):
            self.announced_at = timezone.now()
        super().save(*args, **kwargs)

    @property
    def applies_from(self) -> datetime:
        return self.announced_at + NOTICE

    @property
    def is_announced(self) -> bool:
        """Return whether the rule is still only announced."""
        return self.applies_from > timezone.now()

    @property
    def limit(self) -> datetime:
        """Return the moment before which things are no longer kept."""
        return timezone.now() - timedelta(days=self.days)

    @classmethod
    def in_force(cls, kind: "RetentionRule.Kind") -> "RetentionRule | None":
        """Return the rule of a kind, if it applies now."""
        return cls.objects.filter(kind=kind, is_active=True, announced_at__lte=timezone.now() - NOTICE).first()
