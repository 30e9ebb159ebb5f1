"""Likes and tags of shared videos."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models.video import Video


class Like(models.Model):
    """One user's like of one video. Denormalized as `Video.likes`, so that lists need not count."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="likes", verbose_name=_("user"))
    video = models.ForeignKey(Video, models.CASCADE, related_name="liked_by", verbose_name=_("clip"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("like")
        verbose_name_plural = _("likes")
        constraints = [models.UniqueConstraint(fields=["user", "video"], name="liked_once")]

    def __str__(self) -> str:
        return str(self.pk)


class Tag(models.Model):
    """A tag of public videos: lower case, letters, digits and hyphens."""

    name = models.CharField(_("name"), max_length=30, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")

    def __str__(self) -> str:
        return self.name


class VideoTag(models.Model):
    """A tag on a video. `published_at` repeats the video's, so that a tag's page can be read from one index."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    video = models.ForeignKey(Video, models.CASCADE, related_name="video_tags", verbose_name=_("clip"))
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="video_tags", verbose_name=_("tag"))
    published_at = models.DateTimeField(_("published"), null=True, blank=True)

    class Meta:
        verbose_name = _("clip tag")
        verbose_name_plural = _("clip tags")
        constraints = [models.UniqueConstraint(fields=["video", "tag"], name="tagged_once")]
        indexes = [
            models.Index(
                fields=["tag", "-published_at", "-id"],
                condition=models.Q(published_at__isnull=False),
                name="tag_newest",
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)
