"""Videos and everything users attach to them."""

from gallery.models.collection import Collection, CollectionItem
from gallery.models.moderation import Act, ModerationAction, Reason, Report, ReportState
from gallery.models.retention import RetentionRule
from gallery.models.search import SearchDoc
from gallery.models.sharing import Like, Tag, VideoTag
from gallery.models.stack_key import prompt_key, stack_key
from gallery.models.video import (
    GIVEN_UP,
    LISTED,
    Safety,
    SizeClass,
    Video,
    VideoQuerySet,
    Visibility,
    undo_limit,
)

__all__ = [
    "GIVEN_UP",
    "LISTED",
    "Act",
    "Collection",
    "CollectionItem",
    "Like",
    "ModerationAction",
    "Reason",
    "Report",
    "ReportState",
    "RetentionRule",
    "Safety",
    "SearchDoc",
    "SizeClass",
    "Tag",
    "Video",
    "VideoQuerySet",
    "VideoTag",
    "Visibility",
    "prompt_key",
    "stack_key",
    "undo_limit",
]
