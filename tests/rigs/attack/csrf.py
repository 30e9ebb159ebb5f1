"""Forms that another site sends in a signed-in browser: no token, somebody else's, an expired one, another origin."""

from collections.abc import Iterator
from urllib.parse import urlencode

from tests.rigs.attack import table
from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.objects import Reached, hostile_form
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import TOKEN, Answer, Client

REFUSED = (400, 403, 404, 405, 413)
OTHER = "b" * 32


@judge(
    condemns=[
        Reached(Answer(200)),
        Reached(Answer(302, {"location": "/jobs/"})),
        Reached(Answer(403), has_changed=True),
        Reached(Answer(500)),
    ],
    acquits=[Reached(Answer(403)), Reached(Answer(405))],
)
def accepted(evidence: Reached) -> str:
    """Condemn a form that was let in, whatever its answer, and a change behind a refusal."""
    if evidence.has_changed:
        return "changed what the victim owns"
    return "" if evidence.answer.status in REFUSED else f"was let in: {evidence.answer.status}"


def variants() -> dict[str, tuple[str, dict[str, str], dict[str, str]]]:
    """Return forged forms by name: the token in the cookie, further fields, headers."""
    right = {"csrfmiddlewaretoken": TOKEN}
    return {
        "no token": (TOKEN, {}, {}),
        "neither token nor cookie": ("", {}, {}),
        "a token without its cookie": ("", right, {}),
        "another person's token": (TOKEN, {"csrfmiddlewaretoken": OTHER}, {}),
        "a token from before it changed": (OTHER, right, {}),
        "a shortened token": (TOKEN, {"csrfmiddlewaretoken": TOKEN[:-1]}, {}),
        "an empty token of an empty cookie": ("", {"csrfmiddlewaretoken": ""}, {"Cookie": "csrftoken="}),
        "the right token from another origin": (TOKEN, right, {"Origin": "http://evil.example"}),
        "the right token from a file": (TOKEN, right, {"Origin": "null"}),
        "the right token over TLS": (TOKEN, right, {"Origin": "https://127.0.0.1"}),
        "plain text": (TOKEN, {}, {"Content-Type": "text/plain"}),
        "JSON": (TOKEN, {}, {"Content-Type": "application/json"}),
    }


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield every form of the site × every way to forge it, sent by the victim's own browser and by a visitor's."""
    session = target.sessions(["owner"])[0]
    for address in table.posts():
        path = address.path(target.values)
        for name, (cookie, fields, headers) in variants().items():
            client = Client(target.port, session, csrf=cookie)
            act = _forged(target, client, path, fields, headers)
            yield Attempt(f"POST {path} in the victim's browser with {name}", act, accepted)
    for path in ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/language/setlang/"):
        for name, (cookie, fields, headers) in variants().items():
            act = _forged(target, Client(target.port, csrf=cookie), path, fields, headers)
            yield Attempt(f"POST {path} in a visitor's browser with {name}", act, accepted)


def _forged(target: Target, client: Client, path: str, fields: dict[str, str], headers: dict[str, str]):
    def act() -> Reached:
        form = [*hostile_form(target), *fields.items()]
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        if "Cookie" in headers:
            sent["Cookie"] += f"; sessionid={client.session}"
        answer = client.request("POST", path, urlencode(form).encode(), sent)
        return Reached(answer, has_changed=target.has_changed())

    return act
