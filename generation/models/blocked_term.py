"""Words that prompts may not contain."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BlockedTerm(models.Model):
    """A word or phrase that prompts may not contain; matched case-insensitively, whole words only."""

    term = models.CharField(_("term"), max_length=100, unique=True, help_text=_("A word or phrase."))
    message = models.CharField(
        _("message"),
        max_length=300,
        blank=True,
        help_text=_("What the user reads when a prompt contains it. Leave empty for the site's own sentence."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("blocked term")
        verbose_name_plural = _("blocked terms")
        ordering = ["term"]

    def __str__(self) -> str:
        return self.term
