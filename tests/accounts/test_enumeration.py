"""Nobody finds out which email addresses are registered: not from what pages say, nor from how long they take.

Usernames are public, on profiles, so that signing up may say that one is taken. Time is counted in hashes of passwords,
in queries and in messages to the queue: everything else that differs happens there (accounts/sign_in/mails.py).
"""

import re
from dataclasses import dataclass, field
from itertools import product

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import tasks
from accounts.joining.models import JoiningRules, Policy
from accounts.models import User
from accounts.sign_in.mails import MAIL_TASK
from auravideo.celery import app
from tests.accounts.hashing import CountingHasher
from tests.accounts.test_mail_links import link_in
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

MODES = ("none", "optional", "mandatory")
NEW = "a lamp in the fog"
UNSEEN = re.compile(r"<script.*?</script>|<[^>]*>", re.DOTALL)


def visible(page: str, *own: str) -> str:
    """Return the text of a page without what the visitor has typed, in whatever case."""
    text = " ".join(UNSEEN.sub(" ", page).split())
    text = text.partition("Describe it in a sentence")[0]  # the create page goes on with examples drawn at random
    for word in sorted(filter(None, own), key=len, reverse=True):
        text = re.sub(re.escape(word), "...", text, flags=re.IGNORECASE)
    return text


@dataclass
class Answer:
    """What a visitor sees and can measure of a request and of the page that it leads to."""

    status: int
    url: str
    page: str
    cookies: list[str]
    hashes: int
    queries: int
    messages: list[tuple] = field(compare=False)

    def __post_init__(self) -> None:
        self.sent = len(self.messages)


@pytest.fixture
def ask(settings, monkeypatch):
    """Return a function that posts a form and returns the Answer; mails wait until `deliver`."""
    settings.PASSWORD_HASHERS = ["tests.accounts.hashing.CountingHasher"]
    waiting: list[tuple] = []
    monkeypatch.setattr(app, "send_task", lambda name, args=(), **_options: waiting.append((name, *args)))

    def post(client, name: str, data: dict, *own: str) -> Answer:
        waiting.clear()
        before = CountingHasher.computed
        with CaptureQueriesContext(connection) as queries:
            response = client.post(reverse(name), data)
        hashes = CountingHasher.computed - before
        url = response.get("Location", "")
        page = (client.get(url) if url else response).content.decode()
        page = visible(page, *own, *data.values())
        return Answer(
            *(response.status_code, url, page, sorted(client.cookies)),
            *(hashes, len(queries), list(waiting)),
        )

    return post


def deliver(answer: Answer) -> list[str]:
    """Run the queued mails; return the subjects."""
    before = len(mail.outbox)
    for name, *args in answer.messages:
        if name == MAIL_TASK:
            tasks.send_mail.apply(args, throw=True)
    return [letter.subject for letter in mail.outbox[before:]]


@pytest.fixture(params=MODES)
def mode(request, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = request.param
    return request.param


@pytest.fixture
def ada():
    """Return somebody who has confirmed their address."""
    user = UserFactory(username="ada", email="ada@example.com")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@pytest.fixture(params=["confirmed", "unconfirmed", "main only", "second"])
def registered(request):
    """Return an address that is registered, in one of the ways in which one can be."""
    user = UserFactory(username="ada", email="ada@example.com" if request.param != "second" else "first@example.com")
    if request.param in ("confirmed", "unconfirmed"):
        verified = request.param == "confirmed"
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=verified)
    elif request.param == "second":
        EmailAddress.objects.create(user=user, email="ada@example.com", verified=True)
    return "ada@example.com"


def form(email: str, username: str) -> dict:
    return {"username": username, "email": email, "password1": NEW, "password2": NEW}


def test_signing_up_reads_and_takes_the_same_with_a_registered_address(ask, mode, registered):
    known = ask(Client(), "account_signup", form(registered.upper(), "qqx"))
    unknown = ask(Client(), "account_signup", form("new@example.com", "qqy"))
    assert known == unknown
    assert (known.status, known.hashes, known.sent) == (302, 1, 1)


def test_so_it_does_where_newcomers_wait_for_approval(ask, mode, registered):
    """And what they read when they sign in is about their account, whatever its address."""
    JoiningRules.objects.create(policy=Policy.APPROVAL)
    seen = []
    for email, name in ((registered.upper(), "qqx"), ("new@example.com", "qqy")):
        cache.delete("moderators-told-of-newcomers")
        signing_up = ask(Client(), "account_signup", form(email, name), name, email)
        logins = [ask(Client(), "account_login", {"login": name, "password": each}, name, email) for each in (NEW, "x")]
        seen.append([signing_up, *logins])
    assert seen[0] == seen[1]


def test_the_account_that_comes_of_it_is_like_any_other(ask, mode, registered):
    """Its name is taken, its password works with the name and with the address, and its pages say the same."""
    seen: list[list] = []
    for email, name in ((registered, "qqx"), ("new@example.com", "qqy")):
        ask(Client(), "account_signup", form(email, name))
        answers: list = [ask(Client(), "account_signup", form("third@example.com", name))]
        for login, password in product((name, email), (NEW, "wrong")):
            client = Client()
            answers.append(ask(client, "account_login", {"login": login, "password": password}, name, email))
            answers.append(visible(client.get(reverse("account_email"), follow=True).content.decode(), name, email))
        seen.append(answers)
    assert len(seen[0]) == 9
    for of_known, of_unknown in zip(*seen, strict=True):
        assert of_known == of_unknown


def test_the_holder_of_the_address_hears_of_it_once_and_keeps_it(ask, mode, ada):
    answer = ask(Client(), "account_signup", form("ada@example.com", "qqx"))
    assert deliver(answer) == ["AuraVideo: You already have an account"]
    assert mail.outbox[-1].to == ["ada@example.com"]
    assert deliver(ask(Client(), "account_signup", form("ada@example.com", "qqz"))) == []
    eve = User.objects.get(username="qqx")
    assert eve.email == ""
    assert not EmailAddress.objects.filter(user=eve, verified=True).exists()
    assert User.objects.get(pk=ada.pk).email == "ada@example.com"
    client = Client()
    ask(client, "account_login", {"login": "ada@example.com", "password": PASSWORD})
    assert get_user(client) == ada


def test_newcomers_get_the_mail_that_the_mode_provides(ask, mode):
    answer = ask(Client(), "account_signup", form("new@example.com", "qqy"))
    expected = [] if mode == "none" else ["AuraVideo: Confirm your email address"]
    assert deliver(answer) == expected


def test_a_new_password_is_sent_to_the_holder_alone(ask, ada):
    ask(Client(), "account_signup", form("ada@example.com", "qqx"))
    deliver(ask(Client(), "account_reset_password", {"email": "ada@example.com"}))
    (letter,) = [letter for letter in mail.outbox if "Your username" in letter.body]
    assert "ada" in letter.body
    client = Client()
    page = client.get(link_in(letter), follow=True)
    client.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert User.objects.get(pk=ada.pk).check_password(NEW)


def test_asking_for_a_new_password_reads_and_takes_the_same(ask, registered):
    known = ask(Client(), "account_reset_password", {"email": registered})
    unknown = ask(Client(), "account_reset_password", {"email": "new@example.com"})
    assert known == unknown
    assert (known.hashes, known.queries, known.sent) == (0, unknown.queries, 1)
    assert len(deliver(known)) == len(deliver(unknown)) == 1


@pytest.mark.parametrize("state", ["deactivated", "disabled"])
def test_closed_accounts_look_like_none(ask, ada, state):
    from django.utils import timezone

    changes = {"deactivated_at": timezone.now()} if state == "deactivated" else {}
    User.objects.filter(pk=ada.pk).update(is_active=False, **changes)
    known = ask(Client(), "account_reset_password", {"email": "ada@example.com"})
    assert known == ask(Client(), "account_reset_password", {"email": "new@example.com"})
    assert deliver(known) == [
        "AuraVideo: Choose a new password"
        if state == "deactivated"
        else "AuraVideo: There is no account with this address"
    ]
    wrong = ask(Client(), "account_login", {"login": "ada@example.com", "password": "wrong"})
    assert wrong == ask(Client(), "account_login", {"login": "new@example.com", "password": "wrong"})


@pytest.mark.parametrize("verified", [True, False])
def test_adding_an_address_reads_and_takes_the_same(ask, mode, ada, verified):
    EmailAddress.objects.update(verified=verified)
    answers = []
    for email in ("ada@example.com", "new@example.com"):
        user, client = UserFactory(), Client()
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=mode == "mandatory")
        client.force_login(user)
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        own = (user.username, user.email)
        answer = ask(client, "account_email", {"email": email, "action_add": ""}, *own)
        acts = ("primary", "send")
        later = [ask(client, "account_email", {"email": email, f"action_{act}": ""}, *own) for act in acts]
        answers.append((answer, *later))
        subjects = deliver(answer)
        assert len(subjects) == 1
        assert EmailAddress.objects.get(user=user, email=email).verified is False
    assert answers[0] == answers[1]
    assert User.objects.filter(email="ada@example.com").get() == ada


def test_an_address_is_signed_up_with_a_few_times_a_day(client, settings):
    """Or the number of accounts with an address could be told from which of them it signs in to."""
    for number in range(3):
        assert client.post(reverse("account_signup"), form("a@example.com", f"qqv{number}")).status_code == 302
        client.post(reverse("account_logout"))
    assert client.post(reverse("account_signup"), form("A@example.com", "qqw")).status_code == 429
    assert client.post(reverse("account_signup"), form("b@example.com", "qqw")).status_code == 302


@pytest.mark.parametrize(
    "path", ["/accounts/password/reset/key/{}-set-password/", "/accounts/password/reset/key/{}-x/"]
)
def test_links_of_accounts_that_are_not_there_read_like_used_ones(client, user, path):
    known, unknown = (client.get(path.format(uid), follow=True) for uid in (f"{user.pk}", "zzzz"))
    assert visible(known.content.decode()) == visible(unknown.content.decode())
    assert known.status_code == unknown.status_code


def test_without_a_broker_mails_are_sent_at_once(client, ada, monkeypatch):
    from kombu.exceptions import OperationalError

    def refuse(*_args, **_options):
        raise OperationalError("no broker")

    monkeypatch.setattr(app, "send_task", refuse)
    client.post(reverse("account_reset_password"), {"email": "ada@example.com"})
    assert len(mail.outbox) == 1


def test_messages_to_the_queue_open_no_account(ask, ada):
    answer = ask(Client(), "account_reset_password", {"email": "ada@example.com"})
    assert answer.messages == [(MAIL_TASK, "reset", "ada@example.com", "http://testserver/", "en")]


def test_mails_are_in_the_language_of_the_page_and_link_to_its_site(client, ada, settings):
    settings.ALLOWED_HOSTS = ["clips.example"]
    headers = {"accept-language": "pl", "host": "clips.example:8000"}
    client.post(reverse("account_reset_password"), {"email": "ada@example.com"}, headers=headers)
    assert "http://clips.example:8000/" in mail.outbox[0].body
    assert "Twoja nazwa użytkownika" in mail.outbox[0].body


def test_who_has_chosen_a_language_is_written_to_in_that(client, ada):
    """Somebody else may have asked for it, or a browser that does not know yet who this is."""
    ada.language = "pl"
    ada.save()
    client.post(reverse("account_reset_password"), {"email": "ada@example.com"}, headers={"accept-language": "en"})
    assert "Twoja nazwa użytkownika" in mail.outbox[0].body
    form = {"username": "zed", "email": "ada@example.com", "password1": NEW, "password2": NEW}
    client.post(reverse("account_signup"), form, headers={"accept-language": "en"})
    assert mail.outbox[1].subject == "AuraVideo: Masz już konto"
