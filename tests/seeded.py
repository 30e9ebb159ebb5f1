"""The demo site for browser tests and screenshots: every page that can be opened, with content."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.access_table import ACCESS
from tests.addresses import Address, addresses
from tests.site import PASSWORD, Site

PERSONS = {"anonymous": "", "owner": "ada", "admin": "admin"}  # role in the access table -> user of the demo
NO_PAGES = {
    *(
        "healthz",
        "manifest",
        "service-worker",
        "healthz-live",
        "robots-txt",
        "security-txt",
        "admin:jsi18n",
        "gallery:file",
        "gallery:download",
        "gallery:poster",
        "gallery:preview",
        "gallery:thumbnail",
        "gallery:cover",
        "gallery:trash-picture",
        "gallery:settings",
    ),
    *(f"gallery:shared-{name}" for name in ("file", "download", "poster", "preview", "thumbnail", "cover")),
    *("gallery:embed", "gallery:shared-embed"),  # for frames on other sites: tests/e2e/test_sharing.py
    *("generation:batch-progress", "generation:batch-download", "generation:updates"),
    *(
        "mfa_edit_webauthn",
        "mfa_remove_webauthn",
        "mfa_reauthenticate_webauthn",
    ),  # no demo user has a passkey: tests/e2e/test_accounts.py
    *("admin:generation_worker_pause", "admin:generation_worker_resume"),
    *(f"admin:mfa_authenticator_{page}" for page in ("change", "delete", "history")),
}
SIGNS_OUT = {"account_reset_password_from_key"}  # signs the user out, so only anonymous visitors open it

_VALUES = """
import json
from datetime import timedelta
from django.utils import timezone
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from accounts.joining.models import Invitation
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from accounts.models import SecurityEvent, User
from gallery.models import Collection, ModerationAction, Report, RetentionRule, Video
from django.contrib.auth.models import Group
from generation.models import Batch, BlockedTerm, Job, Preset, Quota, Worker

ada = User.objects.get(username="ada")
later = timezone.now() + timedelta(days=1)  # it is heard from all day
worker, _ = Worker.objects.get_or_create(name="generate@gpu1", defaults={
    "host": "gpu1", "pid": 4711, "queues": ["generate"], "device": "NVIDIA GeForce RTX 4070 SUPER", "version": "0.1.0",
    "memory_total": 12_878_000_000, "memory_free": 6_412_000_000, "warm": ["tiny/tiny-motion"],
    "started_at": timezone.now(), "heartbeat_at": later,
})
quota, _ = Quota.objects.get_or_create(group=Group.objects.get_or_create(name="Friends")[0], defaults={"waiting": 20})
rule, _ = RetentionRule.objects.get_or_create(kind="failed", defaults={"days": 90})
jobs = {status: str(pk) for status, pk in Job.objects.filter(user=ada).values_list("status", "pk")}
videos = {video.format: str(video.pk) for video in Video.objects.kept().filter(user=ada)}
ben = User.objects.get(username="ben")  # nobody signs in as ben, which would use up the link for a new password
address = EmailAddress.objects.get(user=ada, verified=False)
elsewhere, _ = UserSession.objects.get_or_create(session_key="elsewhere", defaults={"user": ada, "ip": "192.0.2.1"})
event, _ = SecurityEvent.objects.get_or_create(user=ada, kind="passkey-added", detail="demo", ip="192.0.2.1")
admin = User.objects.get(username="admin")
entry, _ = LogEntry.objects.get_or_create(user=admin, action_flag=1, object_repr="toy gun", change_message="demo")
public = Video.objects.listed().exclude(user=ada).first()
batch = str(Batch.objects.get(user=ada).pk)
invitation, _ = Invitation.objects.get_or_create(note="the film club", defaults={"max_uses": 12})
values = {
    "job_id": jobs["running"], "batch_id": batch, "video_id": videos["mp4"],
    "collection_id": str(Collection.objects.get(user=ada).pk), "id": ada.pk, "object_id": ada.pk,
    "app_label": "generation", "url": "no-such-page", "content_type_id": 1,
    "token": Video.objects.get(user=ada, visibility="unlisted").share_token, "username": "ada",
    "of-ben": str(public.pk), "session_id": elsewhere.pk,
    "uidb36": user_pk_to_url_str(ben), "key": default_token_generator.make_token(ben),
    "gallery:report:video_id": str(public.pk),
    "account_confirm_email:key": EmailConfirmationHMAC(address).key,
}
for page in ("change", "delete", "history"):
    values[f"admin:generation_job_{page}:object_id"] = jobs["failed"]
    values[f"admin:generation_batch_{page}:object_id"] = batch
    values[f"admin:generation_preset_{page}:object_id"] = str(Preset.objects.get(user=ada).pk)
    values[f"admin:gallery_video_{page}:object_id"] = str(public.pk)
    values[f"admin:gallery_report_{page}:object_id"] = str(Report.objects.latest("created_at").pk)
    values[f"admin:gallery_moderationaction_{page}:object_id"] = str(ModerationAction.objects.latest("created_at").pk)
    values[f"admin:generation_blockedterm_{page}:object_id"] = BlockedTerm.objects.get().pk
    values[f"admin:generation_worker_{page}:object_id"] = worker.pk
    values[f"admin:gallery_retentionrule_{page}:object_id"] = rule.pk
    values[f"admin:generation_quota_{page}:object_id"] = quota.pk
    values[f"admin:gallery_safetyrule_{page}:object_id"] = 1
    values[f"admin:accounts_securityevent_{page}:object_id"] = event.pk
    values[f"admin:admin_logentry_{page}:object_id"] = entry.pk
    values[f"admin:account_emailaddress_{page}:object_id"] = address.pk
    values[f"admin:accounts_invitation_{page}:object_id"] = invitation.pk
print(json.dumps({"values": values, "jobs": jobs, "videos": videos}))
"""


@dataclass(frozen=True)
class Page:
    """One page to open: its name, who opens it, and its path."""

    name: str
    person: str
    path: str


class SeededSite(Site):
    """The demo, usually without workers, so that queued and running jobs stay as they are."""

    def __init__(self, home: Path, queues: str = "", **environment: str) -> None:
        super().__init__(home, queues=queues, **{"AURAVIDEO_UNDO_MINUTES": "120", **environment})
        self.values: dict[str, object] = {}
        self.jobs: dict[str, str] = {}
        self.videos: dict[str, str] = {}

    def start(self) -> "SeededSite":
        super().start()
        done = self.manage("seed_demo", "--password", PASSWORD)
        assert done.returncode == 0, done.stderr
        for name, found in json.loads(self.python(_VALUES)).items():
            setattr(self, name, found)
        return self

    def sign_in(self, browser, person: str) -> dict | None:
        """Return the browser cookies of a demo user; None for nobody."""
        if not PERSONS[person]:
            return None
        context = browser.new_context(base_url=self.url)
        page = context.new_page()
        page.goto("/accounts/login/")
        page.locator("[name=login]").fill(PERSONS[person])
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main form button").first.click()
        page.wait_for_url("**/create/")
        page.goto("/accounts/reauthenticate/?next=/help/")  # required by the pages of the second factor
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main form button").first.click()
        page.wait_for_url("**/help/")
        state = context.storage_state()
        context.close()
        return state

    def pages(self) -> Iterator[Page]:
        """Return the pages of `every_page` with their paths on this site, plus page states that look different."""
        for address, person in every_page():
            name = address.name if person == "anonymous" else f"{address.name}-{person}"
            yield Page(name.replace(":", "-"), person, address.path(self.values))
        yield Page("gallery-compare-batch", "owner", f"/videos/compare/?batch={self.values['batch_id']}")
        pair = "&".join(f"video={id}" for format, id in self.videos.items() if format != "gif")
        yield Page("gallery-compare-videos", "owner", f"/videos/compare/?{pair}")
        for status, job in self.jobs.items():
            yield Page(f"generation-job-{status}", "owner", f"/jobs/{job}/")
        for format, video in self.videos.items():
            yield Page(f"gallery-video-{format}", "owner", f"/videos/{video}/")
        for person in ("anonymous", "owner"):
            yield Page(f"gallery-video-of-ben-{person}", person, f"/videos/{self.values['of-ben']}/")
            for name, query in {
                "liked": "sort=liked",
                "picks": "sort=picks",
                "tag": "tag=sea",
                "none": "q=dragon",
            }.items():
                yield Page(f"gallery-explore-{name}-{person}", person, f"/explore/?{query}")
        yield Page("404", "anonymous", "/no-such-page/")
        yield Page("404-signed-in", "owner", "/no-such-page/")


def every_page() -> list[tuple[Address, str]]:
    """Yield every URL that shows a page, with a user of the access table who may see it.

    Public pages come twice: they look different when signed in.
    """
    header, *rows = [line.split() for line in ACCESS.strip().splitlines() if line.strip()]
    exact = {row[0] for row in rows}
    found = []
    for address in addresses():
        fits = [row for row in rows if address.name == row[0]] if address.name in exact else []
        fits = fits or [row for row in rows if fnmatchcase(address.name, row[0])]
        gets = [row for row in fits if row[1] == "GET"]
        answers = {person: row[header.index(person)] for row in gets for person in PERSONS}
        seen_by = [person for person in ("anonymous", "owner") if answers.get(person) == "200"]
        if not seen_by and answers.get("admin") == "200":
            seen_by = ["admin"]
        found += [
            (address, person)
            for person in seen_by
            if address.name not in NO_PAGES and (person == "anonymous" or address.name not in SIGNS_OUT)
        ]
    assert len(found) > 20, "no pages were found"
    return found
