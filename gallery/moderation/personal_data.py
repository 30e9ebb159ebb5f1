"""A user's reports and moderation notices, exported with their data.

Nothing is erased here: rows that outlive the account no longer identify anybody (gallery.receivers takes the titles of
clips out of the history). What is left of reports on deleted
clips ends after a year (gallery.pruning).
"""

from collections.abc import Iterator

from accounts.models import User
from accounts.personal_data import Holder
from auravideo.core.zips import ZipEntry, json_list
from gallery.models import PastReport, Report, ReportState
from gallery.moderation.selectors import notices_of


class ModerationOfPerson(Holder):
    def export(self, user: User) -> Iterator[ZipEntry]:
        reports, notices = Report.objects.filter(reporter=user).order_by("created_at"), notices_of(user)
        if reports.exists():
            rows = reports.values("video_id", "reason", "note", "created_at", "state")
            yield json_list("reports.json", lambda: rows)
        past = PastReport.objects.filter(reporter=user)
        about = PastReport.objects.filter(person=user, state=ReportState.UPHELD)
        if past.exists():  # on clips that do not exist any more
            gone = past.values("reason", "created_at", "state")
            yield json_list("past_reports.json", lambda: gone)
        if about.exists():  # of which the owner was told. Others, or when it was sent, may tell who did
            decided = about.values("reason", "state", "handled_at")
            yield json_list("past_reports_of_clips.json", lambda: decided)
        if notices.exists():
            told = notices.values("act", "video_title", "reason", "created_at")
            yield json_list("notices.json", lambda: told)
