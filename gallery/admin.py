"""The gallery's admin pages: for moderation, and the rules of what is kept and of what is shown."""

from gallery.moderation import (  # noqa: F401  imported to register their pages
    admin_history,
    admin_people,
    admin_reports,
    admin_terms,
    admin_videos,
)
from gallery.pruning import admin_rules  # noqa: F401
from gallery.screening import admin_rule  # noqa: F401
