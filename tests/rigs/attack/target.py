"""The site under attack: the demo, with a victim whose private things carry marks, and the attackers' accounts."""

import hashlib
import json
import random
import sqlite3
from contextlib import closing
from uuid import UUID

from tests.rigs.attack.wire import Client, daphne_of
from tests.seeded import SeededSite

MARK = "kept-from-everybody-7f3a"  # in every private text of the victim
ATTACKERS = ("anonymous", "stranger", "staff", "moderator", "admin")

_PLANT = """
import json
from django.utils import timezone
from django.contrib.auth.models import Permission
from accounts.models import User
from gallery.models import Collection, Video
from generation.models import Batch, Job, Preset
MARK = {mark!r}
ada = User.objects.get(username="ada")
for name, staff in (("stranger", False), ("staff2", True), ("moderator", True)):
    User.objects.create_user(name, name + "@example.org", is_staff=staff)
moderator = User.objects.get(username="moderator")
moderator.user_permissions.set(Permission.objects.filter(codename__in=("moderate", "moderate_video")))
for model, names in ((Job, ["prompt", "negative_prompt"]),):
    for row in model.objects.filter(user=ada):
        row.request = {{**row.request, **{{name: MARK + " " + name for name in names}}}}
        row.save(update_fields=["request"])
Batch.objects.filter(user=ada).update(name=MARK)
Preset.objects.filter(user=ada).update(name=MARK)
Collection.objects.filter(user=ada).update(name=MARK)
for video in Video.objects.filter(user=ada):
    video.request = {{**video.request, "prompt": MARK, "negative_prompt": MARK}}
    video.prompt, video.shows_prompt, video.shows_negative_prompt, video.shows_seed = MARK, False, False, False
    video.title = MARK if video.visibility == "private" else "shown"
    video.save()
private = Video.objects.filter(user=ada, visibility="private", deleted_at=None)
deleted = Video.objects.filter(user=ada).exclude(deleted_at=None).first()
failed = Job.objects.filter(user=ada, status="failed").first()
values = {{"video_id": str(private.first().pk), "token": Video.objects.get(user=ada, visibility="unlisted").share_token,
    "gallery:restore:video_id": str(deleted.pk), "gallery:trash-picture:video_id": str(deleted.pk),
    "gallery:purge:video_id": str(deleted.pk), "generation:retry:job_id": str(failed.pk),
    "generation:remove:job_id": str(failed.pk), "collection_id": str(Collection.objects.filter(user=ada).first().pk),
    "preset_id": str(Preset.objects.filter(user=ada).first().pk), "pk": 1}}
files = [str(file) for video in [*private, deleted] for file in
         (video.video_file.name, video.poster_file.name, video.preview_file.name, video.thumbnail_file.name) if file]
print(json.dumps([values, files]))
"""

_SIGN_IN = """
import time
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from auravideo.core.sessions import SessionStore
for name in {names!r}:
    user = get_user_model().objects.get(username=name)
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["account_authentication_methods"] = [{{"method": "password", "at": time.time(), "reauthenticated": True}}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    print(session.session_key)
"""

# What others may change of the victim's rows: likes and reports, what the site notes itself, and the time.
_NOTED = {"likes", "unread_notices", "hidden_at", "touched_at", "last_login", "safety", "waits_in", "priority"}
_OWNED = {
    "generation_job": "user_id",
    "generation_batch": "user_id",
    "generation_preset": "user_id",
    "gallery_video": "user_id",
    "gallery_collection": "user_id",
    "account_emailaddress": "user_id",
    "accounts_pushsubscription": "user_id",
    "mfa_authenticator": "user_id",
    "accounts_user": "id",
}


class Target:
    """A running demo site and what attackers know of it: everything but the secrets."""

    def __init__(self, site: SeededSite) -> None:
        self.site = site
        self.port: int = site.port
        self.host = f"127.0.0.1:{site.port}"
        self.pid = daphne_of(site)
        self.chance = random.Random(7)
        self._made = 0
        own, files = json.loads(site.python(_PLANT.format(mark=MARK)))
        self.values: dict[str, object] = {**site.values, **own}
        self.private = [site.home / "media" / name for name in files]
        assert all(path.exists() for path in self.private), files
        self.victim_id = int(site.rows("select id from accounts_user where username = 'ada'")[0][0])
        self.secret = (site.home / "secret_key").read_bytes().strip()
        self._queries = [self._query(table) for table in _OWNED]
        self._known = self._fingerprint()

    def client(self, person: str = "anonymous", source: str = "127.0.0.1") -> Client:
        """Return a browser of that person, just signed in."""
        if person == "anonymous":
            return Client(self.port, source=source)
        return Client(self.port, self.sessions([person])[0], source)

    def sessions(self, persons: list[str]) -> list[str]:
        names = [{"staff": "staff2", "owner": "ada"}.get(person, person) for person in persons]
        return self.site.python(_SIGN_IN.format(names=names)).split()

    def accounts(self, count: int, password: str = "") -> list[str]:
        """Make that many new accounts; return their usernames. A password takes as long as a sign-in."""
        names = [f"visitor{self._made + number}" for number in range(count)]
        self._made += count
        made = f"User.objects.create_user(name, name + '@example.net', {password or None!r})"
        self.site.python(f"from accounts.models import User\nfor name in {names!r}: {made}")
        return names

    def has_changed(self) -> bool:
        """Return whether anything that the victim owns has changed since the last call, but for what others may."""
        before, self._known = self._known, self._fingerprint()
        return self._known != before

    def _fingerprint(self) -> str:
        found = hashlib.sha256(repr([path.exists() for path in self.private]).encode())
        with closing(sqlite3.connect(self.site.home / "db.sqlite3", timeout=60)) as database:
            for query in self._queries:
                found.update(repr(database.execute(query, [self.victim_id]).fetchall()).encode())
        return found.hexdigest()

    def _query(self, table: str) -> str:
        """Return the query for the victim's rows of a table."""
        columns = [row[1] for row in self.site.rows(f"pragma table_info({table})") if row[1] not in _NOTED]
        listed = ", ".join(f'"{column}"' for column in columns)
        return f"select {listed} from {table} where {_OWNED[table]} = ? order by 1"

    def is_private(self, body: bytes) -> bool:
        """Return whether bytes are, or are a part of, one of the victim's private files."""
        return len(body) >= 64 and any(body in path.read_bytes() for path in self.private)


def other_id(value: object) -> str:
    """Return an identifier of nothing, of the same kind."""
    try:
        return str(UUID(int=UUID(str(value)).int ^ 1))
    except ValueError:
        return "999999" if str(value).isdigit() else str(value)[:-1] + ("A" if str(value)[-1] != "A" else "B")
