"""Settings to start from."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Preset(models.Model):
    """Settings to start from: a request without its prompt and quality. Without a user, shared with everyone."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="presets",
        verbose_name=_("user"),
        help_text=_("Leave empty to share it with everyone."),
    )
    name = models.CharField(_("name"), max_length=60)
    settings = models.JSONField(_("settings"), default=dict)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("preset")
        verbose_name_plural = _("presets")
        ordering = [Lower("name")]
        constraints = [
            models.UniqueConstraint(
                "user",
                Lower("name"),
                name="one_preset_a_name_and_person",
                violation_error_message=_("A preset with this name already exists."),
            ),
            models.UniqueConstraint(
                Lower("name"),
                name="one_shared_preset_a_name",
                condition=models.Q(user=None),
                violation_error_message=_("A preset with this name already exists."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shared(self) -> bool:
        return self.user_id is None
