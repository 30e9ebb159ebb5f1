"""A user's reports and moderation notices, exported with their data.

Nothing is erased here: rows that outlive the account no longer identify anybody.
"""

from collections.abc import Iterator

from accounts.models import User
from accounts.personal_data import Holder
from auravideo.core.zips import ZipEntry, json_list
from gallery.models import Report
from gallery.moderation.selectors import notices_of


class ModerationOfPerson(Holder):
    def export(self, user: User) -> Iterator[ZipEntry]:
        reports, notices = Report.objects.filter(reporter=user).order_by("created_at"), notices_of(user)
        if reports.exists():
            rows = reports.values("video_id", "reason", "note", "created_at", "state")
            yield json_list("reports.json", lambda: rows)
        if notices.exists():
            told = notices.values("act", "video_title", "reason", "created_at")
            yield json_list("notices.json", lambda: told)
