"""Other people's objects: every address, by everybody whom it is none of the business of, with every method."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.addresses import addresses
from tests.rigs.attack import table
from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.target import ATTACKERS, MARK, Target
from tests.rigs.attack.wire import Answer, Client

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ACTS = ("delete", "favourite", "unfavourite", "collect", "remove", "download", "compare")


@dataclass(frozen=True)
class Reached:
    """An answer, whether it is a private file, and whether anything of the victim has changed."""

    answer: Answer
    is_private: bool = False
    has_changed: bool = False


@judge(
    condemns=[
        Reached(Answer(200, {}, f"<h1>{MARK}</h1>".encode())),
        Reached(Answer(302, {"location": f"/videos/?q={MARK}"})),
        Reached(Answer(206), is_private=True),
        Reached(Answer(404), has_changed=True),
        Reached(Answer(500)),
    ],
    acquits=[Reached(Answer(404, {}, b"Not found")), Reached(Answer(302, {"location": "/accounts/login/"}))],
)
def reached(evidence: Reached) -> str:
    """Condemn an answer that has anything of the victim in it, any change of what they own, and a crash."""
    if MARK.encode() in evidence.answer.body or MARK in repr(evidence.answer.headers):
        return "read a private text"
    if evidence.is_private:
        return "read a private file"
    if evidence.has_changed:
        return "changed what the victim owns"
    return f"crashed with {evidence.answer.status}" if evidence.answer.status in (500, 502) else ""


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield every address × attacker × method, then the victim's objects in forms that take several."""
    for address in addresses():
        if address.name == "account_confirm_email":  # whoever has the link from the email may use it
            continue
        path = address.path(target.values)
        for person in ATTACKERS:
            if table.may_open(address, person):
                continue
            client = target.client(person)
            for method in METHODS:
                yield Attempt(f"{method} {path} as {person}", _request(target, client, method, path), reached)
    for person in ("stranger", "admin"):
        yield from _in_forms(target, person)


def hostile_form(target: Target) -> list[tuple[str, object]]:
    """Return fields that name the victim's objects, under every name that a form of the site has for them."""
    values = target.values
    video, job = values["video_id"], values["job_id"]
    return [
        *(("video", one) for one in (video, values["gallery:purge:video_id"])),
        *(("keep", one) for one in (video,)),
        *(("job", job), ("jobs", job), ("ids", job), ("batch", values["batch_id"]), ("preset", values["preset_id"])),
        *(("collection", values["collection_id"]), ("act", "delete"), ("title", "taken"), ("name", "taken")),
        *(("preset_name", "taken"), ("visibility", "public"), ("tags", "taken"), ("liked", "1"), ("reason", "other")),
        *(("to", "first"), ("favourite", "1"), ("user", target.victim_id), ("user_id", target.victim_id)),
    ]


def _request(target: Target, client: Client, method: str, path: str):
    def act() -> Reached:
        if method == "POST":
            return _changed(target, lambda: client.post(path, hostile_form(target)))
        if method in ("GET", "HEAD", "OPTIONS"):
            answer = client.request(method, path)
            return Reached(answer, target.is_private(answer.body))
        return _changed(target, lambda: client.request(method, path, b"", {"X-CSRFToken": client.csrf}))

    return act


def _changed(target: Target, send) -> Reached:
    answer = send()
    return Reached(answer, target.is_private(answer.body), target.has_changed())


def _in_forms(target: Target, person: str) -> Iterator[Attempt]:
    client, values = target.client(person), target.values
    video, batch = values["video_id"], values["batch_id"]
    for act in ACTS:
        form = [("video", video), ("act", act), ("collection", values["collection_id"])]
        yield _form(target, client, "/videos/selected/", form, person)
    for form in ([("video", video), ("collection", values["collection_id"])], [("video", video), ("name", "mine")]):
        yield _form(target, client, "/videos/collections/add/", form, person)
    for name in ("video", "undo", "id", "ids", "job"):
        for path in ("/videos/undo/", "/videos/compare/keep/", "/videos/trash/empty/", "/jobs/remove-ended/"):
            yield _form(target, client, path, [(name, video), (name, values["job_id"])], person)
    for query in (
        *(f"/videos/compare/?video={video}&video={values['of-ben']}", f"/videos/compare/?batch={batch}"),
        *(f"/create/?preset={values['preset_id']}", f"/videos/?collection={values['collection_id']}"),
        *("/videos/?q=kept", "/explore/?q=kept", f"/create/?video={video}", f"/create/?job={values['job_id']}"),
        *(f"/jobs/updates/?job={values['job_id']}", f"/jobs/?batch={batch}", "/u/ada/"),
        *(f"/oembed?url=http://{target.host}/videos/{video}/", f"/videos/{values['of-ben']}/next/?video={video}"),
        *(f"/videos/{target.site.videos['mp4']}/{part}" for part in ("", "file/", "download/", "settings/", "embed/")),
        *(f"/s/{values['token']}/{part}" for part in ("", "file/", "download/", "poster/", "embed/")),
    ):
        yield Attempt(f"GET {query} as {person}", _request(target, client, "GET", query), reached)


def _form(target: Target, client: Client, path: str, form: list[tuple[str, object]], person: str) -> Attempt:
    shown = "&".join(f"{name}={value}" for name, value in form)
    return Attempt(
        f"POST {path} {shown} as {person}", lambda: _changed(target, lambda: client.post(path, form)), reached
    )
