"""The invitations that somebody has made, exported with their data. They outlive the account, without its name."""

from collections.abc import Iterator

from accounts.joining.models import Invitation
from accounts.models import User
from accounts.personal_data import Holder
from auravideo.core.zips import ZipEntry, json_list


class InvitationsOfPerson(Holder):
    def export(self, user: User) -> Iterator[ZipEntry]:
        made = Invitation.objects.filter(created_by=user).order_by("pk")
        if made.exists():
            rows = made.values("note", "max_uses", "uses", "created_at", "expires_at", "revoked_at")
            yield json_list("invitations.json", lambda: rows)
