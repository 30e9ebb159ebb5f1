"""What came out: videos, kept until somebody deletes them."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from generation.models import Job


class Video(models.Model):
    """A finished clip. The files are names in the default storage."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="videos", verbose_name=_("user"))
    job = models.OneToOneField(Job, models.SET_NULL, null=True, blank=True, related_name="video", verbose_name=_("job"))
    title = models.CharField(_("title"), max_length=200)
    request = models.JSONField(_("request"))  # with the seed that was drawn
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    frames = models.PositiveIntegerField(_("frames"))
    fps = models.PositiveIntegerField(_("frames a second"))
    size = models.PositiveBigIntegerField(_("size in bytes"))
    video_file = models.FileField(_("video file"), max_length=255)
    poster_file = models.FileField(_("poster"), max_length=255)
    preview_file = models.FileField(_("hover preview"), max_length=255)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("video")
        verbose_name_plural = _("videos")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["user", "-created_at"])]

    def __str__(self) -> str:
        return self.title

    @property
    def prompt(self) -> str:
        return self.request["prompt"]

    @property
    def format(self) -> str:
        return self.request["format"]

    @property
    def is_gif(self) -> bool:
        return self.format == "gif"

    @property
    def seconds(self) -> float:
        return self.frames / self.fps
