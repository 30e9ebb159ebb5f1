"""Names that pass for somebody else's: reserved ones, look-alikes, and texts with hidden or turning characters."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.limits import elsewhere
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import Answer, Client
from tests.site import PASSWORD

HIDDEN = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad\u061c\u180e"
    "\x00\x07\x1b\x7f"
)
RESERVED = (
    "admin",
    "administrator",
    "support",
    "auravideo",
    "moderator",
    "root",
    "security",
    "operator",
    "webmaster",
    "staff",
)
TAKEN = "Sasha", "modern", "Paul", "bob", "coco", "straße"
LOOKALIKES = (
    *(
        "Ѕаѕһа",
        "ѕаѕһа",
        "SASHA",
        "modem",
        "MODERN",
        "PauI",
        "pau1",
        "b0b",
        "BOB",
        "ｂｏｂ",
        "сосо",
        "СОСО",
        "c0c0",
        "ⅽⲟⅽⲟ",
    ),
    *("strasse", "STRASSE", "𝐛𝐨𝐛", "𝖻𝗈𝖻", "ⓑⓞⓑ", "bоb", "Ꮲaul", "Ρaul", "p\u0430ul", "ѕasha", "𝕊asha", "sаsha"),
)


BATCH = {"aspect": "1:1", "seconds": "2", "quality": "standard"}
CLIP = {**BATCH, "prompt": "a lamp"}
_BATCHES = "select name from generation_batch where user_id = ?"


@dataclass(frozen=True)
class Named:
    """An answer, and the names or texts that are stored now and were not before."""

    answer: Answer
    stored: tuple[str, ...] = ()


@judge(
    condemns=[Named(Answer(302), ("admin",)), Named(Answer(500))],
    acquits=[Named(Answer(200, {}, b"This username is taken"))],
)
def registered(evidence: Named) -> str:
    """Condemn an account by a name that must not be had, and a crash."""
    if evidence.stored:
        return f"has an account {evidence.stored!r}"
    return f"crashed with {evidence.answer.status}" if evidence.answer.status in (0, 500, 502) else ""


@judge(
    condemns=[Named(Answer(302), ("invoice\u202efdp.mp4",)), Named(Answer(302), ("a\x00b",)), Named(Answer(500))],
    acquits=[Named(Answer(302), ("invoice",)), Named(Answer(200))],
)
def hides(evidence: Named) -> str:
    """Condemn a stored text with a hidden or turning character in it, and a crash."""
    bad = [text for text in evidence.stored if set(text) & set(HIDDEN)]
    if bad:
        return f"stored {bad!r}"
    return f"crashed with {evidence.answer.status}" if evidence.answer.status in (0, 500, 502) else ""


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield sign-ups by names that must not be had, then texts with hidden characters in every field for a name."""
    for name in TAKEN:
        target.site.python(f"from accounts.models import User; User.objects.filter(username={name!r}).exists() or "
                           f"User.objects.create_user({name!r})")  # fmt: skip
    names = [
        *disguised(),
        *LOOKALIKES,
        *(f"z{mark}ed" for mark in HIDDEN),
        "adа",
        "αda",
        "אda",
        ".",
        "..",
        "a/b",
        "<b>",
        "a\nb",
    ]
    for name in names:
        yield Attempt(f"sign up as {name!r}", _sign_up(target, name), registered)
    person = target.accounts(1)[0]
    client = target.client(person)
    for mark in HIDDEN:
        for text in (f"invoice{mark}fdp.mp4", f"a{mark}{mark}b", f"\u0431{mark}\u0430"):
            yield from _texts(target, client, person, text)


def disguised() -> list[str]:
    """Return reserved names as somebody would write them who may not have them."""
    ways = (
        str, str.upper, str.title, lambda name: name + "1", lambda name: name + "_", lambda name: "the-" + name,
        lambda name: ".".join(name), lambda name: name.replace("o", "0").replace("i", "1"), lambda name: name + "s",
        lambda name: name.replace("a", "\u0430"), lambda name: "".join(chr(ord(one) + 0xFEE0) for one in name),
        lambda name: name[0] + "\u200b" + name[1:], lambda name: name + "\u0301",
    )  # fmt: skip
    found = [way(name) for name, way in product(RESERVED, ways)]
    # A plural or a number after a name that is only reserved as a whole is somebody's own name.
    whole = ("root", "security", "webmaster")
    return [
        name for name in found if not name.startswith(whole) or (name.isalpha() and name.isascii() and name[-1] != "s")
    ]


def _sign_up(target: Target, name: str):
    def act() -> Named:
        newest = _newest(target)
        form = {
            "username": name,
            "email": f"a{newest}-{abs(hash(name))}@example.com",
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        answer = Client(target.port, source=elsewhere()).post("/accounts/signup/", form)
        rows = target.site.rows("select username from accounts_user where id > ?", newest)
        return Named(answer, tuple(row[0] for row in rows))

    return act


def _newest(target: Target) -> int:
    return int(target.site.rows("select max(id) from accounts_user")[0][0])


def _texts(target: Target, client: Client, person: str, text: str) -> Iterator[Attempt]:
    user = target.site.rows("select id from accounts_user where username = ?", person)[0][0]
    for path, values, query in fields(text):
        yield Attempt(f"POST {path} with {text!r}", _write(target, client, path, values, (query, user)), hides)
    act = _stored(
        target, lambda: client.upload("/create/many/", "file", f"{text}.csv", b"prompt\nx\n", **BATCH), (_BATCHES, user)
    )
    yield Attempt(f"POST /create/many/ of a file {text!r}", act, hides)


def fields(text: str) -> tuple[tuple[str, dict[str, str], str], ...]:
    """Return the forms that store a name: address, values, and the query for what they have stored."""
    return (
        (
            "/settings/",
            {"full_name": text, "language": "", "theme": ""},
            "select full_name from accounts_user where id = ?",
        ),
        ("/videos/collections/", {"name": text}, "select name from gallery_collection where user_id = ?"),
        ("/create/save-preset/", {"preset_name": text, **CLIP}, "select name from generation_preset where user_id = ?"),
    )


def _write(target: Target, client: Client, path: str, values: dict[str, str], found: tuple[str, int]):
    return _stored(target, lambda: client.post(path, values), found)


def _stored(target: Target, send, found: tuple[str, int]):
    def act() -> Named:
        answer = send()
        return Named(answer, tuple(row[0] for row in target.site.rows(*found)))

    return act
