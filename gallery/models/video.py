"""Videos: finished clips, kept until they are deleted."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.expressions import CombinedExpression
from django.db.models.fields.files import FieldFile
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.models.disclosed import Disclosed, disclosed_of, hidden_fields
from gallery.models.screening import CLEARED, UNDECIDED, SafetyRule, Screened
from gallery.models.stack_key import prompt_key, stack_key
from generation.models import Job

TOKEN_LENGTH = 43  # the length of secrets.token_urlsafe(32)
GIVEN_UP = datetime(1970, 1, 1, tzinfo=UTC)  # `deleted_at` of videos that can never be restored


class Visibility(models.TextChoices):
    """The audience of a video: its owner, anyone with the link, or everyone."""

    PRIVATE = "private", _("Private")
    UNLISTED = "unlisted", _("Unlisted")
    PUBLIC = "public", _("Public")


class SizeClass(models.TextChoices):
    """A size filter of lists, by the shorter side in pixels."""

    SMALL = "small", _("Small, below 512")
    MEDIUM = "medium", _("Medium, 512 to 1023")
    LARGE = "large", _("Large, 1024 and more")

    @classmethod
    def of(cls, width: int, height: int) -> "SizeClass":
        side = min(width, height)
        return cls.SMALL if side < 512 else cls.MEDIUM if side < 1024 else cls.LARGE


class Safety(models.TextChoices):
    """The result of the operator's own safety check, if one is configured."""

    UNCHECKED = "unchecked", _("Not checked")
    PASSED = "passed", _("Passed")
    REFUSED = "refused", _("Rejected")


SHARED = Q(visibility__in=(Visibility.UNLISTED, Visibility.PUBLIC), deleted_at=None)
TO_SCREEN = SHARED & Q(screening__in=UNDECIDED)  # condition of an index, too; see gallery/screening
UNSEEN = SHARED & Q(screening=Screened.UNSEEN)  # shared, and nobody but the owner sees it before it is checked
LISTED = Q(visibility=Visibility.PUBLIC, deleted_at=None, hidden_at=None)  # condition of indexes; see `listed()`


def undo_limit() -> CombinedExpression:
    """Return the cutoff: videos deleted at or before this moment can no longer be restored.

    By the database's clock: a worker that is ahead would delete videos too early.
    """
    return Now() - timedelta(minutes=settings.UNDO_MINUTES)


class VideoQuerySet(models.QuerySet["Video"]):
    def kept(self) -> "VideoQuerySet":
        """Return the videos that are not in the trash."""
        return self.filter(deleted_at=None)

    def in_trash(self) -> "VideoQuerySet":
        """Return the videos in the trash that can still be restored."""
        return self.filter(deleted_at__gt=undo_limit()) if settings.UNDO_MINUTES else self.none()

    def expired(self) -> "VideoQuerySet":
        """Return the deleted videos that can no longer be restored and are due to be purged."""
        return self.filter(deleted_at__lte=undo_limit()) if settings.UNDO_MINUTES else self.exclude(deleted_at=None)

    def shown(self) -> "VideoQuerySet":
        """Return the videos that may be shown to others than the owner, as far as their visibility allows.

        Excludes videos that are deleted, hidden by moderation, not cleared by the built-in safety check (unless it is
        off), rejected by the operator's own (or not yet passed, if one is configured), or owned by a user who is
        suspended, deactivated or being deleted.
        """
        videos = self.kept().filter(hidden_at=None, user__is_active=True)
        videos = videos.filter(Q(screening__in=CLEARED) | (~Q(screening=Screened.REFUSED) & SafetyRule.is_off()))
        if settings.SAFETY_CHECK:
            return videos.filter(safety=Safety.PASSED)
        return videos.exclude(safety=Safety.REFUSED)

    def open_to_moderation(self) -> "VideoQuerySet":
        """Return the videos that moderators may see: shared, hidden, reported or acted on before.

        Private and deleted videos that were never reported or moderated remain visible to their owner only.
        """
        reported, acted_on = (
            models.Exists(apps.get_model("gallery", name).objects.filter(video=models.OuterRef("pk")))
            for name in ("Report", "ModerationAction")
        )
        return self.filter(SHARED | Q(hidden_at__isnull=False) | reported | acted_on)

    def listed(self) -> "VideoQuerySet":
        """Return the public videos, the only ones that Explore, profiles, searches and oEmbed may reveal."""
        return self.shown().filter(visibility=Visibility.PUBLIC)


class Video(models.Model):
    """A finished clip. Its files are names in the default storage."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="videos", verbose_name=_("user"))
    job = models.OneToOneField(Job, models.SET_NULL, null=True, blank=True, related_name="video", verbose_name=_("job"))
    title = models.CharField(_("title"), max_length=200)
    request = models.JSONField(_("request"))  # including the seed that was drawn
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    frames = models.PositiveIntegerField(_("frames"))
    fps = models.PositiveIntegerField(_("frames per second"))
    size = models.PositiveBigIntegerField(_("size in bytes"))
    video_file = models.FileField(_("video file"), max_length=255)
    poster_file = models.FileField(_("poster"), max_length=255)
    preview_file = models.FileField(_("hover preview"), max_length=255)
    # Small still image for grids, whatever the size of the clip; "" for videos older than thumbnails.
    thumbnail_file = models.FileField(_("thumbnail"), max_length=255, blank=True, default="")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Copied from the request on creation, for filtering and sorting; a request never changes.
    prompt = models.TextField(_("prompt"), editable=False)
    prompt_key = models.CharField(_("prompt key"), max_length=32, editable=False)
    seed = models.PositiveBigIntegerField(_("seed"), null=True, editable=False)
    model = models.CharField(_("model"), max_length=80, editable=False)
    format = models.CharField(_("format"), max_length=8, editable=False)
    size_class = models.CharField(_("size"), max_length=6, choices=SizeClass, default=SizeClass.SMALL, editable=False)
    # Clips with the same key are one stack in the library: its newest kept clip is the front (gallery/stacks.py).
    stack_key = models.CharField(_("stack"), max_length=32, default="", editable=False)
    is_front = models.BooleanField(_("front of its stack"), default=False, editable=False)
    # Set by the owner.
    favourite = models.BooleanField(_("favourite"), default=False)
    visibility = models.CharField(_("visibility"), max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    # The unlisted link is /s/<token>/. It stays valid while the video is public, until it is revoked.
    share_token = models.CharField(_("link token"), max_length=TOKEN_LENGTH, null=True, blank=True, unique=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    shows_prompt = models.BooleanField(_("others see the prompt"), default=True, db_default=True)
    shows_negative_prompt = models.BooleanField(_("others see the negative prompt"), default=True, db_default=True)
    shows_seed = models.BooleanField(_("others see the seed"), default=True, db_default=True)
    deleted_at = models.DateTimeField(_("moved to trash"), null=True, blank=True)
    # Set by others.
    likes = models.PositiveIntegerField(_("likes"), default=0)
    picked_at = models.DateTimeField(_("picked by staff"), null=True, blank=True)
    hidden_at = models.DateTimeField(_("hidden by moderation"), null=True, blank=True)
    safety = models.CharField(_("own safety check"), max_length=9, choices=Safety, default=Safety.UNCHECKED)
    # Of the built-in check. db_default: workers of the previous version make videos too.
    screening = models.CharField(
        _("safety check"), max_length=8, choices=Screened, default=Screened.UNSEEN, db_default=Screened.UNSEEN
    )

    objects = VideoQuerySet.as_manager()

    class Meta:
        verbose_name = _("clip")
        verbose_name_plural = _("clips")
        ordering = ["-created_at"]
        permissions = [("pick", _("Can pick: choose public clips for the staff picks"))]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], condition=Q(deleted_at=None), name="library"),
            models.Index(fields=["user", "-size", "-id"], condition=Q(deleted_at=None), name="library_largest"),
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(deleted_at=None, is_front=True),
                name="library_fronts",
            ),
            models.Index(
                fields=["user", "stack_key", "-created_at", "-id"], condition=Q(deleted_at=None), name="stack"
            ),
            *(
                models.Index(
                    fields=["user", field, "-created_at", "-id"], condition=Q(deleted_at=None), name=f"library_{field}"
                )
                for field in ("model", "format", "size_class", "visibility")
            ),
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(deleted_at=None, favourite=True),
                name="library_favourite",
            ),
            models.Index(fields=["user", "prompt_key"], name="same_prompt"),
            models.Index(fields=["user", "seed"], name="same_seed"),
            models.Index(fields=["-published_at", "-id"], condition=LISTED, name="explore_newest"),
            models.Index(fields=["-likes", "-id"], condition=LISTED, name="explore_liked"),
            models.Index(fields=["-picked_at", "-id"], condition=LISTED & Q(picked_at__isnull=False), name="picks"),
            models.Index(fields=["user", "-published_at", "-id"], condition=LISTED, name="profile"),
            models.Index(fields=["created_at"], condition=TO_SCREEN, name="to_screen"),
            models.Index(fields=["created_at"], condition=Q(screening=Screened.FLAGGED), name="flagged"),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="trash"),
            models.Index(
                fields=["user", "-deleted_at", "-id"], condition=Q(deleted_at__isnull=False), name="trash_of_person"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(share_token__isnull=False) | ~Q(visibility=Visibility.UNLISTED), name="unlisted_has_a_token"
            ),
            models.CheckConstraint(
                condition=Q(published_at__isnull=False) | ~Q(visibility=Visibility.PUBLIC), name="public_has_a_date"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.take_from_request()
        super().save(*args, **kwargs)

    def take_from_request(self) -> None:
        """Fill the columns copied from the request. `bulk_create` bypasses `save`, so call this first."""
        self.prompt = self.request["prompt"]
        self.prompt_key = prompt_key(self.prompt)
        self.stack_key = self.stack_key or stack_key(self.request)
        self.seed = self.request.get("seed")
        self.model = self.request["model"]
        self.format = self.request["format"]
        self.size_class = SizeClass.of(self.width, self.height)

    @property
    def files(self) -> list[FieldFile]:
        """Return every stored file of the video."""
        found = (self.video_file, self.poster_file, self.preview_file, self.thumbnail_file)
        return [file for file in found if file]

    @property
    def disclosed(self) -> Disclosed:
        """Return what others than the owner read about it."""
        return disclosed_of(self)

    @property
    def hides_anything(self) -> bool:
        """Return whether others read less about it than its owner."""
        return bool(hidden_fields(self))

    def hides_from(self, reader: Any) -> frozenset[str]:
        """Return the fields of the request that `reader` must not learn: none for the owner."""
        return frozenset() if self.user_id == reader.pk else hidden_fields(self)

    @property
    def gone_at(self) -> datetime | None:
        """Return the time until which it can be restored; None if it is not in the trash."""
        return None if self.deleted_at is None else self.deleted_at + timedelta(minutes=settings.UNDO_MINUTES)

    @property
    def seconds_left(self) -> float | None:
        """Return how long it can still be restored, in seconds; 0 when time is up, None if it is not in the trash."""
        gone_at = self.gone_at
        return None if gone_at is None else max(0.0, (gone_at - timezone.now()).total_seconds())

    @property
    def is_gif(self) -> bool:
        return self.format == "gif"

    @property
    def seconds(self) -> float:
        return self.frames / self.fps
