"""The demo's moderation queue: open reports, a warning and a blocked term."""

from collections.abc import Mapping

from django.contrib.auth.models import Permission

from accounts.models import User
from gallery.models import Reason, Video
from gallery.moderation import services
from generation.models import BlockedTerm

REPORTS = (
    (Reason.COPYRIGHT, "The star is from a film that I made. I have the drawings, and can send them."),
    (Reason.SPAM, ""),
)
TERM, ANSWER = "toy gun", "Nothing with weapons is rendered here."


def seed(people: Mapping[str, User]) -> None:
    """Create a moderator who can pick videos, reports on a published video, a warning to ada and a blocked term."""
    may = Permission.objects.filter(codename__in=("moderate", "pick"), content_type__app_label="gallery")
    people["staff"].user_permissions.add(*may)
    for video in Video.objects.listed().filter(user=people["ben"]).order_by("created_at")[:1]:
        for number, (reason, note) in enumerate(REPORTS):
            services.report(video, people["ada"] if number == 0 else None, f"visitor {number}", reason, note)
    services.warn(people["admin"], people["ada"], "Please do not publish the same clip over and over.")
    BlockedTerm.objects.create(term=TERM, message=ANSWER)
