"""Moderation: everything that the gallery shows in the administration."""

from gallery.moderation import (  # noqa: F401  each registers its pages
    admin_history,
    admin_people,
    admin_reports,
    admin_terms,
    admin_videos,
)
