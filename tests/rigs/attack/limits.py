"""Limits that a client would evade by what it says of itself: hosts, addresses, spellings, and many requests at once.

Every attempt comes after the limit was used up honestly, and has the right password: what gets in has evaded it.
Each source is another address of the loopback network, so the limits by account and by address are told apart.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import Answer, Client
from tests.site import PASSWORD

LOGIN = "/accounts/login/"
OF_ACCOUNT, OF_ADDRESS = 5, 10  # GUESSES in the settings
AT_ONCE = 24
TRIES = 5
_sources = count(2)


@judge(
    condemns=[Answer(302, {"location": "/create/"}, cookies=("sessionid=abc; Path=/",)), Answer(500)],
    acquits=[Answer(200, {}, b"wrong password"), Answer(429), Answer(400)],
)
def signed_in(answer: Answer) -> str:
    """Condemn a session for the right password where the limit was used up, and a crash."""
    if any(cookie.startswith("sessionid=") for cookie in answer.cookies) and answer.status == 302:
        return "signed in beyond the limit"
    return f"crashed with {answer.status}" if answer.status in (500, 502) else ""


@judge(condemns=[[Answer(200)] * 6, [Answer(302)]], acquits=[[Answer(200)] * 5 + [Answer(429)] * 19])
def overran(answers: list[Answer]) -> str:
    """Condemn simultaneous guesses of which more were checked than are allowed, or one that got in."""
    checked = [answer for answer in answers if answer.status == 200 and b"Too many" not in answer.body]
    if any(answer.status == 302 for answer in answers):
        return "signed in with a wrong password"
    return f"{len(checked)} of {len(answers)} were checked" if len(checked) > OF_ACCOUNT else ""


@judge(condemns=[Answer(200), Answer(302)], acquits=[Answer(429), Answer(403)])
def let_in(answer: Answer) -> str:
    """Condemn whatever was still answered after the limit of an address was used up."""
    return "" if answer.status in (400, 403, 429) else f"was let in: {answer.status}"


def disguises(port: int) -> list[dict[str, str]]:
    """Return headers by which a client may claim to be another, or to ask another site."""
    addresses = (
        "203.0.113.9",
        "198.51.100.1, 203.0.113.9",
        "127.0.0.1",
        "::1",
        "2001:db8::1",
        "unknown",
        "",
        "x" * 200,
    )
    names = ("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP")
    return [
        *({name: address} for name in names for address in addresses),
        *({"Forwarded": f"for={address}"} for address in ("203.0.113.9", '"[2001:db8::1]:80"', "_hidden")),
        *(
            {"Host": host}
            for host in (f"localhost:{port}", "127.0.0.1", "127.0.0.1:1", "LOCALHOST", "[::1]:80", "localhost.")
        ),
        *({"X-Forwarded-Host": host} for host in ("a.example", "127.0.0.1:9")),
        *({"User-Agent": agent} for agent in ("a", "b")),
        *({"Cookie": f"csrftoken={'a' * 32}; device={value}"} for value in ("1", "1:2:3", "x" * 500)),
        *({"X-Forwarded-Proto": proto} for proto in ("https", "http,https")),
        *({"Accept-Language": language} for language in ("pl", "en")),
        {"X_Forwarded_For": "203.0.113.9"},
    ]


def spellings(name: str) -> list[str]:
    """Return other ways to type the login of an account."""
    email = f"{name}@example.net"
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
    return [
        *(
            name,
            name.upper(),
            name.title(),
            f" {name}",
            f"{name} ",
            f"\t{name}\n",
            wide,
            f"{name}\u200b",
            f"{name}\x00",
        ),
        *(email, email.upper(), f" {email} ", f"{name}@EXAMPLE.net", f"{name}@example.net.", f'"{name}"@example.net'),
        *(
            f"{name}+x@example.net",
            f"\ufeff{name}",
            f"{name}\u00ad",
            name.replace("i", "\u0131"),
            name.replace("s", "\u017f"),
        ),
    ]


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield the right password of a locked account, from a locked address, and many guesses at once."""
    name, open_one = target.accounts(2, PASSWORD)
    account = _Used(lambda: _guess(target, [name] * OF_ACCOUNT), seconds=300)
    for login in spellings(name):
        yield _sign_in(target, login, {}, elsewhere(), "a locked account", account)
    for headers in disguises(target.port):
        yield _sign_in(target, name, headers, elsewhere(), "a locked account", account)
    source = elsewhere()
    nobody = [f"nobody{number}" for number in range(OF_ADDRESS)]
    address = _Used(lambda: _guess(target, nobody, source), seconds=60)
    for headers in disguises(target.port):
        yield _sign_in(target, open_one, headers, source, "an open account from a locked address", address)
    yield from _at_once(target)
    yield from _of_addresses(target)


class _Used:
    """A limit for so many seconds that `spend` uses up, kept so however long the attacks take."""

    def __init__(self, spend: Callable[[], None], seconds: float) -> None:
        self.spend, self.seconds = spend, seconds
        self.since = -seconds

    def during(self, send: Callable[[], Answer]) -> Answer:
        """Return the answer to a request made while the limit was used up."""
        for _ in range(TRIES):
            if time.monotonic() - self.since > self.seconds / 3:
                self.since = time.monotonic()
                self.spend()
            answer = send()
            if time.monotonic() - self.since < self.seconds:
                return answer
        raise TimeoutError("The limit ended before the site had answered: this machine is too busy.")


def elsewhere() -> str:
    """Return an address of this machine that nothing has come from yet."""
    number = next(_sources)
    return f"127.0.{number // 250 + 1}.{number % 250 + 1}"


def _guess(target: Target, logins: list[str], source: str = "") -> None:
    """Guess wrongly for each login, from `source` or each from another address."""
    for login in logins:
        client = Client(target.port, source=source or elsewhere())
        client.post(LOGIN, {"login": login, "password": "wrong"})


def _sign_in(
    target: Target, login: str, headers: dict[str, str], source: str, what: str, used: _Used | None = None
) -> Attempt:
    client = Client(target.port, source=source)

    def send() -> Answer:
        return client.post(LOGIN, {"login": login, "password": PASSWORD}, **headers)

    act = (lambda: used.during(send)) if used else send
    return Attempt(f"POST {LOGIN} for {what} as {login!r} with {headers}", act, signed_in)


def _at_once(target: Target) -> Iterator[Attempt]:
    for name in target.accounts(2, PASSWORD):
        yield Attempt(f"{AT_ONCE} simultaneous guesses for one account", _guesses(target, name), overran)


def _guesses(target: Target, name: str):
    def act() -> list[Answer]:
        clients = [Client(target.port, source=elsewhere()) for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = [pool.submit(client.post, LOGIN, {"login": name, "password": "wrong"}) for client in clients]
            return [one.result() for one in sent]

    return act


def _of_addresses(target: Target) -> Iterator[Attempt]:
    """Yield requests beyond what one address may send, disguised as another."""
    for path, limit, form in (
        ("/accounts/password/reset/", 20, {"email": "somebody{}@example.org"}),
        ("/accounts/signup/", 20, {"username": "", "email": "somebody{}@example.org"}),
    ):
        client = Client(target.port, source=elsewhere())
        used = _Used(partial(_fill, client, path, limit, form), seconds=60)
        for number, headers in enumerate(disguises(target.port)):
            values = {key: value.format(f"-{number}") for key, value in form.items()}
            act = partial(used.during, _post(client, path, values, headers))
            yield Attempt(f"POST {path} beyond the limit with {headers}", act, let_in)


def _fill(client: Client, path: str, limit: int, form: dict[str, str]) -> None:
    for number in range(limit):
        client.post(path, {key: value.format(number) for key, value in form.items()})


def _post(client: Client, path: str, values: dict[str, str], headers: dict[str, str]):
    return lambda: client.post(path, values, **headers)
