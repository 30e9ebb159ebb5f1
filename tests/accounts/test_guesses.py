"""Passwords and codes can be guessed a few times, wherever from and whatever the account is called; owners get in."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import SecurityEvent, User
from accounts.sign_in import attempts, devices, logins
from accounts.sign_in.attempts import Bucket
from tests.accounts.hashing import CountingHasher
from tests.costs import at_most
from tests.factories import PASSWORD, UserFactory
from tests.totp import code

pytestmark = pytest.mark.django_db

TOO_MANY = "Too many failed attempts"
MISMATCH = "details you specified are not correct"


@pytest.fixture
def hashes(settings):
    """Return a function that says how many hashes were computed since it was last called."""
    settings.PASSWORD_HASHERS = ["tests.accounts.hashing.CountingHasher"]
    last = CountingHasher.computed

    def count() -> int:
        nonlocal last
        since, last = CountingHasher.computed - last, CountingHasher.computed
        return since

    return count


def sign_in(client, login: str, password: str, address: str = "192.0.2.1", **headers) -> str:
    data = {"login": login, "password": password}
    answer = client.post(reverse("account_login"), data, REMOTE_ADDR=address, headers=headers)
    return answer.content.decode()


def guess_from_everywhere(login: str, times: int = 5) -> None:
    for number in range(times):
        assert MISMATCH in sign_in(Client(), login, "wrong", f"198.51.100.{number}")


def is_in(client, user: User) -> bool:
    return get_user(client) == user


def test_the_host_header_makes_no_new_account_of_one(user, settings, hashes):
    settings.ALLOWED_HOSTS = ["*"]
    hashes()
    hosts = ["a.example", "A.example", "a.EXAMPLE", *(f"a.example:{port}" for port in range(8000, 8012))]
    hosts += [f"{number}.example" for number in range(12)]
    for number, host in enumerate(hosts):
        sign_in(Client(), user.username, "wrong", f"192.0.2.{number}", host=host)
    assert len(hosts) == 27
    assert hashes() == 5


def test_all_names_of_an_account_count_together(user, hashes):
    EmailAddress.objects.create(user=user, email="second@example.org", verified=True)
    names = [user.username, user.username.upper(), user.email, user.email.upper(), "second@example.org"]
    for number, name in enumerate(names * 3):
        sign_in(Client(), name, "wrong", f"192.0.2.{number}")
    hashes()
    client = Client()
    sign_in(client, user.username, PASSWORD, "192.0.2.99")
    assert not get_user(client).is_authenticated


@pytest.mark.parametrize("spelling", ["Nobody", "nobody", "ｎobody", " nobody "])
def test_names_without_an_account_are_counted_too_in_every_spelling(spelling):
    guess_from_everywhere("nobody")
    assert TOO_MANY in sign_in(Client(), spelling, "wrong", "192.0.2.99")


@pytest.mark.parametrize("forwarded", [False, True])
def test_a_socket_for_both_kinds_of_addresses_does_not_make_one_visitor_of_all(user, settings, forwarded):
    """With HOST=:: an IPv4 address arrives as an IPv6 one, of which a network counts."""
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = int(forwarded)
    for number in range(12):
        address = f"::ffff:198.51.100.{number}"
        headers = {"x-forwarded-for": address} if forwarded else {}
        assert MISMATCH in sign_in(Client(), f"nobody{number}", "wrong", "::1" if forwarded else address, **headers)


@pytest.mark.parametrize(("other", "is_counted"), [("2001:db8:0:77::1", True), ("2001:db8:0:177::1", False)])
def test_the_networks_of_one_household_are_counted_as_one_address(other, is_counted):
    """Providers give each customer 256 networks: whoever has them must not pose as that many people."""
    for number in range(0x10, 0x1A):
        sign_in(Client(), f"nobody{number}", "wrong", f"2001:db8:0:{number:x}::1")
    assert (TOO_MANY in sign_in(Client(), "somebody", "wrong", other)) is is_counted


def test_a_login_of_many_accents_costs_no_time(client):
    """To sort those of one letter takes quadratic time: these took seconds, in which the process did nothing else."""
    accents = "\u0300" * 8000 + "\u0316" * 8000
    with at_most(1):
        page = sign_in(client, accents, "wrong")
        logins.normalized(accents)
        logins.candidates(accents)
    assert "at most 254 characters" in page


def test_a_locked_account_does_not_tell_what_else_it_is_called(user, hashes):
    """Or whoever locks the account of a public username could find out whose address is whose."""
    guess_from_everywhere(user.username)
    hashes()
    before = SecurityEvent.objects.count()
    known = sign_in(Client(), user.email, "wrong", "192.0.2.98")
    cost = hashes()
    unknown = sign_in(Client(), "unknown@example.org", "wrong", "192.0.2.99")
    assert MISMATCH in known
    assert MISMATCH in unknown
    assert TOO_MANY not in known
    assert hashes() == cost == 2
    assert SecurityEvent.objects.count() == before + 2, "what is stored takes time, too"


@pytest.mark.parametrize(("login", "number"), [("username", 1), ("email", 2)])
def test_an_unknown_login_costs_as_many_hashes_as_a_wrong_password(user, hashes, login, number):
    known = getattr(user, login)
    for name in (known, known.upper(), f"un{known}"):
        hashes()
        assert MISMATCH in sign_in(Client(), name, "wrong")
        assert hashes() == number, name


@pytest.mark.parametrize("state", ["unusable", "inactive"])
def test_accounts_that_cannot_sign_in_cost_as_much_as_any(user, hashes, state):
    if state == "unusable":
        user.set_unusable_password()
    user.is_active = state != "inactive"
    user.save()
    hashes()
    assert MISMATCH in sign_in(Client(), user.username, "wrong")
    assert hashes() == 1


# --- Browsers that have signed in before ------------------------------------------------------------------------------


@pytest.fixture
def known_browser(client, user):
    """A browser that has signed in to `user`'s account, and out again."""
    sign_in(client, user.username, PASSWORD)
    client.get(reverse("home"))
    client.post(reverse("account_logout"))
    assert not get_user(client).is_authenticated
    assert client.cookies[devices.COOKIE]["httponly"]
    return client


def test_strangers_cannot_lock_out_a_browser_that_has_signed_in_before(known_browser, user):
    guess_from_everywhere(user.username)
    sign_in(known_browser, user.username, PASSWORD, "192.0.2.99")
    assert is_in(known_browser, user)


def test_nor_from_the_same_address(known_browser, user):
    for number in range(12):
        sign_in(Client(), f"nobody{number}", "wrong", "192.0.2.1")
    assert TOO_MANY in sign_in(Client(), user.username, PASSWORD, "192.0.2.1")
    sign_in(known_browser, user.username, PASSWORD, "192.0.2.1")
    assert is_in(known_browser, user)


def test_such_a_browser_has_a_few_guesses_as_well(known_browser, user, hashes):
    for number in range(12):
        sign_in(known_browser, user.username, "wrong", f"192.0.2.{number}")
    assert hashes() == 5
    assert TOO_MANY in sign_in(known_browser, user.username, PASSWORD)
    stranger = Client()
    sign_in(stranger, user.username, PASSWORD)
    assert is_in(stranger, user), "its guesses locked out everybody else"


def test_the_cookie_is_good_for_one_account(known_browser, other_user):
    guess_from_everywhere(other_user.username)
    assert TOO_MANY in sign_in(known_browser, other_user.username, PASSWORD, "192.0.2.99")


def test_a_browser_remembers_several_accounts(known_browser, user, other_user):
    sign_in(known_browser, other_user.username, PASSWORD)
    known_browser.get(reverse("home"))
    known_browser.post(reverse("account_logout"))
    for person in (user, other_user):
        guess_from_everywhere(person.username)
        sign_in(known_browser, person.username, PASSWORD)
        assert is_in(known_browser, person)
        known_browser.post(reverse("account_logout"))


def test_a_cookie_that_was_tampered_with_is_none(known_browser, user):
    value = known_browser.cookies[devices.COOKIE].value
    known_browser.cookies[devices.COOKIE] = value[:-3] + ("abc" if value[-3:] != "abc" else "cba")
    guess_from_everywhere(user.username)
    assert TOO_MANY in sign_in(known_browser, user.username, PASSWORD)


@pytest.mark.parametrize("change", ["password", "sessions"])
def test_a_new_password_and_the_end_of_all_sessions_revoke_the_cookie(known_browser, user, change):
    """But not that of the browser which asked for it."""
    at_hand = Client()
    at_hand.force_login(user)
    new = PASSWORD
    if change == "password":
        new = "a lamp in the rain"
        form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        at_hand.post(reverse("account_change_password"), form)
    else:
        at_hand.post(reverse("accounts:end-sessions"))
    at_hand.get(reverse("home"))
    at_hand.post(reverse("account_logout"))
    guess_from_everywhere(user.username)
    assert TOO_MANY in sign_in(known_browser, user.username, new)
    sign_in(at_hand, user.username, new)
    assert is_in(at_hand, user)


def test_who_was_signed_in_before_the_cookie_came_gets_it_with_the_next_page(client, user):
    client.force_login(user)
    client.get(reverse("gallery:library"))
    assert devices.COOKIE in client.cookies


def test_visitors_get_no_cookie(client):
    client.get(reverse("home"))
    client.get(reverse("account_login"))
    assert devices.COOKIE not in client.cookies


# --- Addresses --------------------------------------------------------------------------------------------------------


def test_one_address_guesses_few_passwords_of_whichever_account(hashes):
    for _ in range(14):
        sign_in(Client(), UserFactory().username, "wrong")
    hashes()
    assert TOO_MANY in sign_in(Client(), UserFactory().username, "wrong")
    hashes()
    assert MISMATCH in sign_in(Client(), UserFactory().username, "wrong", "192.0.2.2")


def test_a_network_of_ipv6_is_one_address():
    for number in range(0x10, 0x1A):
        sign_in(Client(), f"nobody{number}", "wrong", f"2001:db8::{number}")
    assert TOO_MANY in sign_in(Client(), "somebody", "wrong", "2001:db8::99")
    assert MISMATCH in sign_in(Client(), "somebody", "wrong", "2001:db9::99")


def test_right_passwords_are_not_counted(user):
    for _ in range(12):
        client = Client()
        sign_in(client, user.username, PASSWORD)
        assert is_in(client, user)


# --- Second factors, and passwords of who is signed in ----------------------------------------------------------------


SECRET = "JBSWY3DPEHPK3PXP"


def turn_on(user: User) -> str:
    """Give an account an authenticator app and recovery codes; return the secret of the app."""
    encrypt = get_adapter().encrypt
    kinds = Authenticator.Type
    Authenticator.objects.create(user=user, type=kinds.TOTP, data={"secret": encrypt(SECRET)})
    seed = {"seed": encrypt("0123456789abcdef"), "used_mask": 0}
    Authenticator.objects.create(user=user, type=kinds.RECOVERY_CODES, data=seed)
    return SECRET


@pytest.fixture
def secret(user):
    return turn_on(user)


def enter(client, typed: str, address: str = "192.0.2.1", **headers) -> str:
    url = reverse("mfa_authenticate")
    return client.post(url, {"code": typed}, REMOTE_ADDR=address, headers=headers).content.decode()


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_codes_are_guessed_a_few_times_whatever_the_host_and_address(user, secret, settings, kind):
    settings.ALLOWED_HOSTS = ["*"]
    wrong = "000000" if kind == "code" else "deadbeef"
    for number in range(6):
        thief = Client()
        sign_in(thief, user.username, PASSWORD, f"198.51.100.{number}", host=f"{number}.example")
        page = enter(thief, wrong, f"198.51.100.{number}", host=f"{number}.example")
    assert TOO_MANY in page
    sign_in(thief, user.username, PASSWORD)
    assert TOO_MANY in enter(thief, code(secret))
    assert not get_user(thief).is_authenticated


def test_thieves_of_a_password_cannot_lock_out_the_browser_of_its_owner(user, secret):
    owner = Client()
    sign_in(owner, user.username, PASSWORD)
    enter(owner, code(secret))
    assert is_in(owner, user)
    owner.get(reverse("home"))
    owner.post(reverse("account_logout"))
    thief = Client()
    sign_in(thief, user.username, PASSWORD)
    for number in range(6):
        enter(thief, "000000", f"198.51.100.{number}")
    sign_in(owner, user.username, PASSWORD)
    spare = Authenticator.objects.get(user=user, type=Authenticator.Type.RECOVERY_CODES)
    enter(owner, spare.wrap().get_unused_codes()[0])  # the app still shows the code that was used
    assert is_in(owner, user)


def test_a_right_code_does_not_forgive_the_guesses_of_its_address(user, secret):
    """allauth forgets them: a thief could go on for ever by entering a code of their own now and then."""
    for number in range(9):
        sign_in(Client(), f"nobody{number}", "wrong")
    own = Client()
    sign_in(own, user.username, PASSWORD)
    enter(own, code(secret))
    assert is_in(own, user)
    assert MISMATCH in sign_in(Client(), "nobody9", "wrong")
    assert TOO_MANY in sign_in(Client(), "nobody10", "wrong")


def test_guesses_at_the_door_do_not_keep_the_owner_from_confirming_the_password(client, user):
    client.force_login(user)
    guess_from_everywhere(user.username)
    answer = client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": "/"})
    assert answer.status_code == 302


def test_confirming_the_password_is_limited(client, user, hashes):
    client.force_login(user)
    hashes()
    for _ in range(8):
        client.post(reverse("accounts:delete"), {"password": "wrong"})
    assert hashes() == 5
    client.post(reverse("accounts:delete"), {"password": PASSWORD})
    assert User.objects.get(pk=user.pk).is_active


# --- Mails, and what all limits have in common ------------------------------------------------------------------------


def test_mails_to_one_address_are_limited_whatever_the_host_and_spelling(user, settings):
    settings.ALLOWED_HOSTS = ["*"]
    for number in range(12):
        email = user.email if number % 2 else user.email.upper()
        headers = {"host": f"{number}.example"}
        url = reverse("account_reset_password")
        answer = Client().post(url, {"email": email}, REMOTE_ADDR=f"192.0.2.{number}", headers=headers)
    assert answer.status_code == 429
    assert len(mail.outbox) <= 5


def test_a_password_set_by_mail_unlocks_the_account(client, user):
    from tests.accounts.test_mail_links import link_in

    guess_from_everywhere(user.username)
    client.post(reverse("account_reset_password"), {"email": user.email})
    form = client.get(link_in(mail.outbox[-1]), follow=True)
    new = "a lamp in the rain"
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new})
    sign_in(client, user.username, new, "192.0.2.99")
    assert is_in(client, user)


def test_parallel_attempts_are_all_counted():
    bucket, start = Bucket("parallel", 5, 60), Barrier(40)

    def attempt(_number: int) -> bool:
        start.wait()
        return attempts.take([bucket]).full is None

    with ThreadPoolExecutor(40) as pool:
        assert sum(pool.map(attempt, range(40))) == 5


def test_an_attempt_is_counted_in_all_buckets_or_in_none():
    small, large = Bucket("small", 1, 60), Bucket("large", 2, 60)
    assert attempts.take([large, small]).full is None
    assert attempts.take([large, small]).full == small
    assert attempts.take([large]).full is None
    assert attempts.take([large]).full == large


def test_a_forgiven_attempt_leaves_room_for_another():
    bucket = Bucket("room", 1, 60)
    attempts.take([bucket]).forgive()
    counted, refused = attempts.take([bucket]), attempts.take([bucket])
    refused.forgive()
    assert (counted.full, attempts.take([bucket]).full) == (None, bucket)


def test_attempts_expire():
    bucket = Bucket("short", 1, 1)
    assert attempts.take([bucket]).full is None
    deadline = time.monotonic() + 30
    while attempts.take([bucket]).full is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
