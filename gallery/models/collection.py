"""Collections: a user's own groupings of their videos."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from gallery.models.video import Video


class Collection(models.Model):
    """A named set of one user's videos; a video may be in any number of them."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="collections", verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=80)
    videos = models.ManyToManyField(
        Video, through="CollectionItem", related_name="collections", verbose_name=_("clips")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        constraints = [
            models.UniqueConstraint(
                "user",
                Lower("name"),
                name="collection_name_ci",
                violation_error_message=_("You already have a collection with this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class CollectionItem(models.Model):
    """A video's place in a collection, newest additions first. The key is a UUID because lists are paged by it."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, models.CASCADE, related_name="items", verbose_name=_("collection"))
    video = models.ForeignKey(Video, models.CASCADE, related_name="items", verbose_name=_("clip"))
    added_at = models.DateTimeField(_("added"), auto_now_add=True)

    class Meta:
        verbose_name = _("clip of a collection")
        verbose_name_plural = _("clips of collections")
        constraints = [models.UniqueConstraint(fields=["collection", "video"], name="once_in_a_collection")]
        indexes = [models.Index(fields=["collection", "-added_at", "-id"], name="collection_newest")]

    def __str__(self) -> str:
        return str(self.pk)
