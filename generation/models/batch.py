"""Prompts that were submitted together."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Batch(models.Model):
    """Many prompts submitted together. Submitting the same rows again as the same user resumes the same batch."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="batches", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=200)
    digest = models.CharField(_("SHA-256 of the rows"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Null for a file of prompts. Otherwise one request in variations: the up to two settings that vary on purpose, each
    # as {"field", "values"}; the first one runs along the columns of the grid. Empty if only the seed differs.
    axes = models.JSONField(_("settings that vary"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_batch_a_file_and_person")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_variations(self) -> bool:
        """Return whether it is one request in variations, made to be compared."""
        return self.axes is not None
