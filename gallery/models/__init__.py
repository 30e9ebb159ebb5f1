"""Videos and everything users attach to them."""

from gallery.models.collection import Collection, CollectionItem
from gallery.models.moderation import Act, ModerationAction, PastReport, Reason, Report, ReportState
from gallery.models.retention import RetentionRule
from gallery.models.screening import (
    CLEARED,
    MOST_ATTEMPTS,
    UNDECIDED,
    OwnCheck,
    SafetyRule,
    Screened,
    Screening,
    Strictness,
)
from gallery.models.search import SearchDoc
from gallery.models.sharing import Like, Tag, VideoTag
from gallery.models.stack_key import prompt_key, stack_key
from gallery.models.video import (
    GIVEN_UP,
    LISTED,
    SHARED,
    TO_SCREEN,
    UNSEEN,
    Safety,
    SizeClass,
    Video,
    VideoQuerySet,
    Visibility,
    undo_limit,
)

__all__ = [
    "CLEARED",
    "GIVEN_UP",
    "LISTED",
    "MOST_ATTEMPTS",
    "SHARED",
    "TO_SCREEN",
    "UNDECIDED",
    "UNSEEN",
    "Act",
    "Collection",
    "CollectionItem",
    "Like",
    "ModerationAction",
    "OwnCheck",
    "PastReport",
    "Reason",
    "Report",
    "ReportState",
    "RetentionRule",
    "Safety",
    "SafetyRule",
    "Screened",
    "Screening",
    "SearchDoc",
    "SizeClass",
    "Strictness",
    "Tag",
    "Video",
    "VideoQuerySet",
    "VideoTag",
    "Visibility",
    "prompt_key",
    "stack_key",
    "undo_limit",
]
