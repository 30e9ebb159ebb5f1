"""The gallery's admin pages, all of them for moderation."""

from gallery.moderation import (  # noqa: F401  imported to register their pages
    admin_history,
    admin_people,
    admin_reports,
    admin_terms,
    admin_videos,
)
