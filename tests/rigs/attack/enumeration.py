"""Finding out what is there: who has an account, which identifiers exist, which links are valid.

Computing time of the web process stands for the time of an answer: it counts the same on a busy machine.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import pbkdf2_hmac
from urllib.parse import quote

from tests.addresses import addresses
from tests.rigs.attack import table
from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.limits import LOGIN, elsewhere
from tests.rigs.attack.target import Target, other_id
from tests.rigs.attack.wire import Answer, Client, Cost, measured
from tests.site import PASSWORD

ITERATIONS = 1_000_000  # of PBKDF2, as Django 5.2 hashes passwords
_UNSEEN = re.compile(r"<script.*?</script>|nonce-[^']*|<[^>]*>", re.DOTALL)
_NUMBERS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|request_id\S*")


@dataclass(frozen=True)
class Pair:
    """What the site answered about something that is there and something that is not; `typed` is what was named."""

    known: Cost
    unknown: Cost
    typed: tuple[str, str] = ("", "")


@cache
def _half_a_hash() -> float:
    """Return half the seconds that a hash of a password takes here, but no more than what is judged below."""
    started = time.process_time()
    pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", ITERATIONS)
    return min(0.25, (time.process_time() - started) / 2)


def _pair(known: Answer, unknown: Answer, seconds: float = 0.0) -> Pair:
    return Pair(Cost(known, seconds), Cost(unknown, 0.0))


@judge(
    condemns=[
        _pair(Answer(403), Answer(404)),
        _pair(Answer(200, {}, b"wrong password"), Answer(200, {}, b"no such account")),
        _pair(Answer(302, {"location": "/a/"}), Answer(302, {"location": "/b/"})),
        _pair(Answer(200), Answer(200), seconds=0.3),
        _pair(Answer(500), Answer(500)),
    ],
    acquits=[
        _pair(Answer(404, {}, b"no such page"), Answer(404, {}, b"no such  page")),
        Pair(
            Cost(Answer(302, {"location": "/accounts/login/?next=%2Fkeys%2F1%2F"})),
            Cost(Answer(302, {"location": "/accounts/login/?next=/keys/2/"})),
            ("/keys/1/", "/keys/2/"),
        ),
    ],
)
def told_apart(pair: Pair) -> str:
    """Condemn any difference in status, target, words, or a hash's worth of computing."""
    known, unknown = pair.known.answer, pair.unknown.answer
    if known.status in (500, 502):
        return f"crashed with {known.status}"
    if _seen(known, pair.typed[0]) != _seen(unknown, pair.typed[1]):
        return f"is answered differently: {known.status} and {unknown.status}"
    if abs(pair.known.seconds - pair.unknown.seconds) > _half_a_hash():
        return f"takes {pair.known.seconds:.2f} s and {pair.unknown.seconds:.2f} s"
    return ""


@judge(condemns=[Answer(200, {}, b"<video>"), Answer(206), Answer(500)], acquits=[Answer(404), Answer(302)])
def guessed(answer: Answer) -> str:
    """Condemn a guessed link that shows something."""
    return f"was answered with {answer.status}" if answer.status in (200, 206, 500, 502) else ""


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield pairs of a known and an unknown account or object, then guesses of links."""
    yield from _accounts(target)
    yield from _objects(target)
    yield from _links(target)


def _accounts(target: Target) -> Iterator[Attempt]:
    known = target.accounts(8, PASSWORD)
    for number, name in enumerate(known):
        email, nobody = f"{name}@example.net", f"nobody-{name}"
        for login, unknown in ((name, nobody), (email, f"{nobody}@example.net")):
            yield _compared(
                target, LOGIN, {"login": login, "password": "x"}, {"login": unknown, "password": "x"}, login
            )
        yield _compared(
            target, "/accounts/password/reset/", {"email": email}, {"email": f"{nobody}@example.net"}, email
        )
        if number < 4:
            yield _compared(target, "/accounts/signup/", _sign_up(f"first{name}", email),
                            _sign_up(f"other{name}", f"{nobody}@example.com"), email)  # fmt: skip


def _sign_up(name: str, email: str) -> dict[str, str]:
    return {"username": name, "email": email, "password1": PASSWORD, "password2": PASSWORD}


def _compared(target: Target, path: str, known: dict[str, str], unknown: dict[str, str], what: str) -> Attempt:
    def act() -> Pair:
        costs = [measured(target.pid, _posting(target, path, values)) for values in (known, unknown)]
        typed = [next(iter(values.values())) for values in (known, unknown)]
        return Pair(costs[0], costs[1], (typed[0], typed[1]))

    return Attempt(f"POST {path} for {what} and for one without an account", act, told_apart)


def _posting(target: Target, path: str, values: dict[str, str]) -> Callable[[], Answer]:
    return lambda: Client(target.port, source=elsewhere()).post(path, values)


def _objects(target: Target) -> Iterator[Attempt]:
    for address in addresses():
        if not address.parameters or table.is_staffs(address):
            continue
        if address.name.startswith("gallery:shared-"):  # whoever has a link may see what it leads to
            continue
        known = address.path(target.values)
        parts = {name: other_id(target.values.get(f"{address.name}:{name}", target.values.get(name, "1")))
                 for name in address.parameters}  # fmt: skip
        unknown = address.path(parts)
        answers = table.answers_of(address)
        for person in ("anonymous", "stranger"):
            if answers.get(("GET", person)) in ("404", "in") or answers.get(("POST", person)) in ("404", "in"):
                for method in ("GET", "POST"):
                    yield _same(target, person, method, known, unknown)


def _same(target: Target, person: str, method: str, known: str, unknown: str) -> Attempt:
    def act() -> Pair:
        client = target.client(person)
        send = client.post if method == "POST" else lambda path, _form: client.get(path)
        return Pair(Cost(send(known, {})), Cost(send(unknown, {})), (known, unknown))

    return Attempt(f"{method} {known} and {unknown} as {person}", act, told_apart)


def _links(target: Target) -> Iterator[Attempt]:
    token, key = str(target.values["token"]), str(target.values["key"])
    for guess in guesses(token, target):
        for part in ("", "file/", "poster/"):
            yield Attempt(f"GET /s/{guess}/{part}", _get(target, f"/s/{guess}/{part}"), guessed)
    for guess in guesses(key.partition("-")[2], target)[:40]:
        path = f"/accounts/password/reset/key/{target.values['uidb36']}-{key.partition('-')[0]}-{guess}/"
        yield Attempt(f"GET {path}", _reset(target, path), guessed)


def guesses(token: str, target: Target) -> list[str]:
    """Return tokens that are nearly one that is valid, and some drawn at random."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    flipped = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    cut = [token[:length] for length in range(1, len(token), 4)]
    drawn = ["".join(target.chance.choices(letters, k=len(token))) for _ in range(20)]
    changed = [token.lower(), token.upper(), token.swapcase(), token[::-1], token + "A", "%25", "_" * 43, f"{token}%00"]
    return [guess for guess in [*flipped, *cut, *drawn, *changed] if guess != token]


def _get(target: Target, path: str):
    return lambda: Client(target.port).get(path)


def _reset(target: Target, path: str):
    """Return an act: a link that is not valid says so with 200, so only a page with a password's field counts."""

    def act() -> Answer:
        answer = Client(target.port).get(path)
        return answer if answer.status != 200 or b'type="password"' in answer.body else Answer(404)

    return act


def _seen(answer: Answer, typed: str) -> tuple[int, str, str]:
    """Return what a visitor sees, without what they have typed."""
    text = " ".join(_NUMBERS.sub("", _UNSEEN.sub(" ", answer.text)).split())
    text = text.partition("Describe it in a sentence")[0]  # the create page goes on with examples drawn at random
    location = answer.location
    for form in (typed, quote(typed, safe="/"), quote(typed, safe="")):
        text, location = (re.sub(re.escape(form), "...", one, flags=re.I) if form else one for one in (text, location))
    return answer.status, location, text
