"""What attackers imitate, done honestly: unless it works, something else than the walls repels the attacks."""

from tests.rigs.attack import bombs, csrf, enumeration, limits, names, objects, origins
from tests.rigs.attack.attempts import Attempt
from tests.rigs.attack.target import ATTACKERS, Target
from tests.rigs.attack.wire import Answer, Client
from tests.site import PASSWORD


def controls(target: Target) -> list[Attempt]:
    """Return acts that their judges must condemn, since whoever does them may."""
    owner = target.client("owner")
    video, name = target.values["video_id"], target.accounts(1, PASSWORD)[0]
    own = f"http://{target.host}"
    token = {"csrfmiddlewaretoken": owner.csrf}
    return [
        Attempt("an owner opens a clip", objects._request(target, owner, "GET", f"/videos/{video}/"), objects.reached),
        Attempt("and its file", objects._request(target, owner, "GET", f"/videos/{video}/file/"), objects.reached),
        Attempt("and renames it", lambda: _renamed(target, owner, str(video)), objects.reached),
        *(
            Attempt(f"the {person} is signed in", _settings_of(target, person), enumeration.guessed)
            for person in ATTACKERS[1:]
        ),
        Attempt("a form with its token", csrf._forged(target, owner, "/settings/theme/", token, {}), csrf.accepted),
        Attempt("a page's own socket", origins._handshake(target, "/ws/jobs/", own, owner.session), origins.opened),
        Attempt("a form of the own origin", origins._form(owner, "/create/summary/", own), origins.taken),
        limits._sign_in(target, name, {}, limits.elsewhere(), "an open account"),
        Attempt("a valid link", enumeration._get(target, f"/s/{target.values['token']}/"), enumeration.guessed),
        Attempt("a name of one's own", names._sign_up(target, f"honest-{name}"), names.registered),
    ]  # fmt: skip


def _settings_of(target: Target, person: str):
    return lambda: target.client(person).get("/settings/")


def stored(target: Target) -> dict[str, bool]:
    """Return, by address, whether it stores an honest name."""
    person = target.accounts(1)[0]
    client, user = (
        target.client(person),
        target.site.rows("select id from accounts_user where username = ?", person)[0][0],
    )
    written = {
        path: names._write(target, client, path, values, (query, user))().stored
        for path, values, query in names.fields("honest name")
    }
    return {path: any("honest name" in text for text in found) for path, found in written.items()}


def answers(target: Target) -> dict[str, int]:
    """Return the statuses of what is no success to anybody, but has to work."""
    client = target.client(target.accounts(1)[0])
    return {
        "an honest batch": bombs._upload(
            client, "/create/many/", "file", "a.csv", b"prompt\na lamp in the fog\n"
        )().status,
        "a video": bombs._upload(client, "/create/from-file/", "video_file", "a.mp4", _video(target))().status,
        "a static file": client.get("/static/css/auravideo.css").status,
        "a way back": client.post("/language/setlang/", {"next": "/help/", "language": "en"}).status,
    }


def _video(target: Target) -> bytes:
    return next(path for path in target.private if path.suffix in (".mp4", ".webm", ".gif")).read_bytes()


def _renamed(target: Target, client: Client, video: str) -> objects.Reached:
    answer = client.post(f"/videos/{video}/rename/", {"title": "another"})
    return objects.Reached(Answer(answer.status), has_changed=target.has_changed())
