"""The most expensive things that strangers can ask for, without an account and with one."""

import random
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.rigs.attack.wire import TOKEN, multipart
from tests.rigs.flood.sending import Request
from tests.seeded import SeededSite

STRANGER = "127.0.0.66"
ATTACKERS = {"mallory": "127.0.0.67", "trudy": "127.0.0.68", "oscar": "127.0.0.69"}
WORDS = "red orange heart star circling bouncing sea meadow"  # as many as a search takes, all of them frequent
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PUBLIC, OWN = 20_000, 400  # videos of everybody, and of each attacker and the honest user
LINES = 10_000  # of a batch
MANY_LINES = "\n".join(f"a {number}-sided star at sunset" for number in range(LINES))[:200_000]

# Copies of one public video, with its files: a gallery in which a search has something to do.
_FILL = """
import copy, random, uuid
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from gallery.models import SearchDoc, Tag, Video, VideoTag
chance, now = random.Random(1), timezone.now()
original = Video.objects.listed().first()
words = [{words!r}.split(), "blue green small large rising falling desert sunset".split()]
def copies(owner, count, public):
    for number in range(count):
        video = copy.copy(original)
        video.pk, video.user, video.share_token = uuid.uuid4(), owner, None
        video._state = copy.copy(original._state)
        video._state.adding, video.job = True, None
        prompt = " ".join(chance.choices(words[0], k=8) if number % 2 else words[0] + chance.choices(words[1], k=2))
        video.title, video.prompt, video.request = prompt[:80], prompt, {{**original.request, "prompt": prompt}}
        video.visibility = "public" if public else "private"
        video.created_at = now - timedelta(seconds=30 * number)
        video.published_at = video.created_at if public else None
        video.likes = chance.randrange(1000) if public else 0
        yield video
def add(owner, count, public):
    made = Video.objects.bulk_create(copies(owner, count, public), batch_size=500)
    SearchDoc.objects.index(made)
    if public:
        tag, _ = Tag.objects.get_or_create(name="sea")
        VideoTag.objects.bulk_create([VideoTag(video=v, tag=tag, published_at=v.published_at) for v in made], 500)
    return made
crowd = [User.objects.create_user(f"crowd{{n}}", f"crowd{{n}}@example.org") for n in range(20)]
for owner in crowd:
    add(owner, {public} // len(crowd), True)
for name in {names!r}:
    owner, _ = User.objects.get_or_create(username=name, defaults={{"email": name + "@example.org"}})
    add(owner, {own}, False)
"""


@dataclass(frozen=True)
class Person:
    """A signed-in user as the rig plays them."""

    name: str
    source: str
    session: str
    videos: list[str]

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("Cookie", f"sessionid={self.session}; csrftoken={TOKEN}"), ("Accept-Language", "en"))


def fill(site: SeededSite, honest: str, public: int = PUBLIC, own: int = OWN) -> None:
    """Make the gallery large, and give the attackers accounts with a library."""
    site.python(_FILL.format(words=WORDS, names=[*ATTACKERS, honest], public=public, own=own))


def person(site: SeededSite, name: str, source: str) -> Person:
    query = (
        "select id from gallery_video where user_id = (select id from accounts_user where username = ?) "
        "and visibility = 'private' and deleted_at is null limit 200"
    )
    return Person(name, source, site.session_of(name), [row[0] for row in site.rows(query, name)])


def anonymous(site: SeededSite) -> list[Request]:
    """Return the kinds that need no account."""
    video = site.values["of-ben"]
    search = urlencode({"q": WORDS, "sort": "liked"})
    return [
        _get("front page", "/"),
        _get("help", "/help/"),
        _get("explore", "/explore/"),
        _get("explore, most liked, by tag", "/explore/?tag=sea&sort=liked"),
        _get("explore, far down", "/explore/?sort=liked&before=1~00000000-0000-0000-0000-000000000000"),
        _get("explore, search", f"/explore/?{search}"),
        _get("a profile", "/u/crowd1/"),
        _get("a video's page", f"/videos/{video}/"),
        _get("a video, by ranges", f"/videos/{video}/file/", ("Range", "bytes=1-")),
        _get("a preview", f"/videos/{video}/preview/"),
        _get("a cover", f"/videos/{video}/cover.jpg"),
        _get("an embedded video", f"/embed/{video}/"),
        _get("oEmbed", "/oembed?" + urlencode({"url": f"{site.url}/videos/{video}/"})),
        _get("sign-in page", "/accounts/login/"),
        _post("signing in", "/accounts/login/", {"login": "ada", "password": "not the right one"}),
        _post("signing up", "/accounts/signup/", _SIGN_UP),
        _post("a forgotten password", "/accounts/password/reset/", {"email": "ada@example.org"}),
        _get("the admin's sign-in", "/admin/login/"),
        _post("the admin's sign-in, a guess", "/admin/login/", {"login": "admin", "password": "not this one"}),
        _post("reporting a video", f"/videos/{video}/report/", {"reason": "other", "text": "x" * 900}),
        _post("a batch without an account", "/create/many/", {"lines": MANY_LINES}),
        _get("no such page", "/no-such-page/"),
        _get("no such static file", "/static/css/no-such-file.css"),
        _get("a static file", "/static/js/auravideo.js"),
        Request("a socket without an account", "GET", "/ws/jobs/?language=en", STRANGER, _socket(site)),
    ]


_SIGN_UP = {"username": "ada", "email": "ada@example.org", "password1": "a fine passphrase", "password2": "another one"}


def signed_in(site: SeededSite, who: Person) -> list[Request]:
    """Return the kinds that need an account, as one user does them."""
    token = {"csrfmiddlewaretoken": TOKEN}
    clip = {**token, "prompt": "a red heart rising over the sea", "mode": "simple", "quality": "draft", "seconds": "2"}
    search = urlencode({"q": WORDS, "sort": "largest", "unstacked": "on"})
    upload = multipart([("csrfmiddlewaretoken", None, TOKEN.encode()), ("video_file", "a.mp4", b"\0" * 2**20)])
    several = urlencode([("video", video) for video in who.videos[:64]])
    selected = [*token.items(), *(("video", video) for video in who.videos)]
    get, post = _as(who, "GET"), _as(who, "POST")
    return [
        get("library", "/videos/"),
        get("library, search", f"/videos/?{search}"),
        get("library, every clip, largest", "/videos/?unstacked=on&sort=largest"),
        get("comparing 64 clips", f"/videos/compare/?{several}"),
        post("zip of 200 clips", "/videos/selected/", [*selected, ("act", "download")]),
        post("zip of everything", "/settings/data/download/", token),
        get("create page", "/create/"),
        post("summary", "/create/summary/", clip),
        post("changing the mode", "/create/edit/?to=advanced", clip),
        post("submitting", "/create/", clip),
        post("a batch of 10,000 lines", "/create/many/", {**token, "lines": MANY_LINES}),
        _upload("settings from a file", "/create/from-file/", who, upload),
        get("queue", "/jobs/"),
        get("asking for news", "/jobs/updates/?panel=1"),
        get("batches", "/batches/"),
        get("explore, signed in, search", "/explore/?" + urlencode({"q": WORDS, "sort": "picks"})),
        Request("a socket", "GET", "/ws/jobs/?language=en", who.source, (*who.headers, *_socket(site))),
    ]


def mixed(site: SeededSite, attackers: list[Person]) -> list[Request]:
    """Return one round of everything: as many requests from each attacker as from the anonymous stranger."""
    chance = random.Random(7)
    rounds = [anonymous(site), *(signed_in(site, who) for who in attackers)]
    longest = max(map(len, rounds))
    found = [request for kinds in rounds for request in (kinds * 2)[:longest]]
    chance.shuffle(found)
    return found


def honest(who: Person, job: str) -> list[Request]:
    """Return what another user looks at: a library, the create page, a clip's page and Explore."""
    get = _as(who, "GET")
    return [
        get("library", "/videos/"),
        get("create", "/create/"),
        get("a clip", f"/jobs/{job}/"),
        get("explore", "/explore/"),
    ]


def _get(kind: str, path: str, *headers: tuple[str, str]) -> Request:
    return Request(kind, "GET", path, STRANGER, (("Accept-Language", "en"), *headers))


def _post(kind: str, path: str, values: dict[str, str]) -> Request:
    body = urlencode({**values, "csrfmiddlewaretoken": TOKEN}).encode()
    return Request(kind, "POST", path, STRANGER, (("Cookie", f"csrftoken={TOKEN}"), FORM), body)


def _as(who: Person, method: str):
    def request(kind: str, path: str, values=()) -> Request:
        form = (FORM,) if method == "POST" else ()
        return Request(kind, method, path, who.source, (*who.headers, *form), urlencode(values).encode())

    return request


def _upload(kind: str, path: str, who: Person, body: bytes) -> Request:
    headers = (*who.headers, ("Content-Type", "multipart/form-data; boundary=edge"))
    return Request(kind, "POST", path, who.source, headers, body)


def _socket(site: SeededSite) -> tuple[tuple[str, str], ...]:
    return (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Origin", site.url),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    )
