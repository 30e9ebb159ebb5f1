"""No judge of the attacks is one that cannot fail: each condemns what it must, and a site without walls falls."""

from types import SimpleNamespace

import pytest

from tests.rigs.attack import bodies, bombs, csrf, enumeration, files, limits, models, names, objects, origins, slow
from tests.rigs.attack.attempts import JUDGES, Attempt, carry_out
from tests.rigs.attack.target import MARK
from tests.rigs.attack.weak_site import WeakSite
from tests.rigs.attack.wire import Answer, Client

CLASSES = (bodies, bombs, csrf, enumeration, files, limits, models, names, objects, origins, slow)


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_a_judge_condemns_and_acquits(judge):
    assert judge.condemns
    assert judge.acquits
    for evidence in judge.condemns:
        assert judge(evidence), evidence
    for evidence in judge.acquits:
        assert judge(evidence) == "", evidence


@pytest.mark.parametrize("module", CLASSES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_class_has_a_judge_of_its_own_or_one_of_another(module):
    assert any(value in JUDGES.values() for value in vars(module).values() if hasattr(value, "condemns"))


def test_successes_are_counted_with_what_reproduces_them():
    attempts = [Attempt(f"GET /{n}", lambda n=n: Answer(200 if n else 404), enumeration.guessed) for n in (0, 1, 2)]
    tally = carry_out(iter(attempts))
    assert tally.attempts == 3
    assert tally.successes == ["GET /1: was answered with 200", "GET /2: was answered with 200"]
    assert carry_out(iter(attempts), most=2).attempts == 2


@pytest.fixture(scope="module")
def weak():
    with WeakSite() as site:
        yield site


@pytest.fixture
def target(weak):
    """A target without a site behind it: what it would look up there has changed with every request."""
    values = {"video_id": "1", "gallery:purge:video_id": "1", "job_id": "1", "batch_id": "1", "preset_id": "1"}
    return SimpleNamespace(
        port=weak.port,
        pid=weak.pid,
        host=f"127.0.0.1:{weak.port}",
        victim_id=1,
        secret=b"the-secret-key",
        values={**values, "collection_id": "1", "of-ben": "1", "token": "t" * 43},
        is_private=lambda body: False,
        has_changed=lambda: True,
    )


def test_a_site_that_shows_everything_to_everybody_falls(weak, target):
    client = Client(weak.port)
    attempts = [
        Attempt("another's video", objects._request(target, client, "GET", "/videos/1/"), objects.reached),
        Attempt("another's job", objects._request(target, client, "POST", "/jobs/1/cancel/"), objects.reached),
        Attempt("no token", csrf._forged(target, client, "/jobs/pause/", {}, {}), csrf.accepted),
        Attempt("a foreign socket", origins._handshake(target, "/ws/jobs/", "http://evil.example", ""), origins.opened),
        Attempt("a foreign form", origins._form(client, "/create/", "http://evil.example"), origins.taken),
        Attempt("a foreign host", origins._get(client, "/", {"Host": "evil.example"}), origins.believed),
        limits._sign_in(target, "ada", {}, "127.0.0.5", "a locked account"),
        Attempt("beyond the limit", limits._post(client, "/accounts/signup/", {}, {}), limits.let_in),
        Attempt("a guessed link", enumeration._get(target, "/s/x/"), enumeration.guessed),
        Attempt("a long body", bodies._send(target, bodies._long(target, "/help/")["a length of 2^63"]),
                bodies.swallowed),
        Attempt("two requests", bodies._send(target, bodies._malformed(target, "/")["two lengths"]), bodies.smuggled),
        Attempt("a way out", files._get(target, client, "/static/../db.sqlite3"), files.escaped),
        Attempt("a way to another site", files._post(client, "/language/setlang/", {"next": "//evil.example"}, {}),
                files.led_away),
    ]  # fmt: skip
    tally = carry_out(iter(attempts))
    assert [success.partition(":")[0] for success in tally.successes] == [
        one.description.partition(":")[0] for one in attempts
    ]


def test_the_mark_is_nothing_that_a_page_has_by_chance():
    assert len(MARK) > 20
