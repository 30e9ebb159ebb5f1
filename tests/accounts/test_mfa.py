"""Two-factor sign-in end to end, with codes computed as an app would."""

from types import SimpleNamespace

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user
from django.core.cache import cache
from django.urls import reverse

from accounts import services
from tests import totp
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

MFA_PAGES = ("mfa_index", "mfa_list_webauthn", "mfa_view_recovery_codes", "mfa_generate_recovery_codes")


class Clock(SimpleNamespace):
    """The time as seen by allauth, frozen until a test moves it."""

    def time(self) -> float:
        return self.now


CLOCK = Clock(now=1_800_000_015.0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    CLOCK.now = 1_800_000_015.0
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", CLOCK)  # allauth has no setting for it
    return CLOCK


def code(secret: str) -> str:
    """Return the code that the app shows now."""
    return totp.code(secret, CLOCK.now)


def sign_in(client, user, password=PASSWORD, **more):
    return client.post(reverse("account_login"), {"login": user.username, "password": password, **more})


def prove(client):
    """Reauthenticate by password, as setting up a second factor requires."""
    return client.post(reverse("account_reauthenticate"), {"password": PASSWORD})


@pytest.fixture
def secret(client, user, clock):
    """Set up an authenticator app through the pages, sign out, and return its secret."""
    client.force_login(user)
    prove(client)
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    response = client.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    assert response.url == reverse("mfa_view_recovery_codes")
    client.post(reverse("account_logout"))
    clock.now += 60
    return secret


@pytest.fixture
def recovery_codes(user, secret):
    return Authenticator.objects.get(user=user, type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()


def test_setting_up_asks_for_the_password_once_more(client, user):
    client.force_login(user)
    for name in ("mfa_activate_totp", "mfa_add_webauthn"):
        response = client.get(reverse(name))
        assert response.url.startswith(reverse("account_reauthenticate"))
    page = client.get(reverse("account_reauthenticate")).content.decode()
    assert "Is it you?" in page
    assert client.post(reverse("account_reauthenticate"), {"password": "wrong"}).status_code == 200
    assert client.get(reverse("mfa_activate_totp")).status_code == 302


def test_the_page_shows_the_secret_as_a_picture_and_as_text(client, user):
    client.force_login(user)
    prove(client)
    response = client.get(reverse("mfa_activate_totp"))
    page = response.content.decode()
    assert "<svg" in page
    assert response.context["form"].secret in page
    assert "style=" not in page
    assert "data:image" not in page


def test_a_wrong_code_sets_nothing_up(client, user):
    client.force_login(user)
    prove(client)
    client.get(reverse("mfa_activate_totp"))
    response = client.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert 'aria-invalid="true"' in response.content.decode()
    assert not Authenticator.objects.exists()


def test_the_password_alone_no_longer_signs_in(client, user, secret):
    assert sign_in(client, user).url == reverse("mfa_authenticate")
    assert not get_user(client).is_authenticated
    assert client.get(reverse("gallery:library")).status_code == 302
    page = client.get(reverse("mfa_authenticate")).content.decode()
    assert "Second factor" in page
    assert "Use a passkey" not in page


def test_the_code_of_the_app_signs_in_and_leads_on(client, user, secret):
    sign_in(client, user, next=reverse("gallery:library"))
    assert client.post(reverse("mfa_authenticate"), {"code": code(secret)}).url == reverse("gallery:library")
    assert get_user(client) == user


def test_a_code_works_once(client, user, secret):
    used = code(secret)
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": used})
    client.post(reverse("account_logout"))
    sign_in(client, user)
    assert client.post(reverse("mfa_authenticate"), {"code": used}).status_code == 200
    assert not get_user(client).is_authenticated


def test_a_code_works_once_also_where_it_is_valid_for_longer_than_its_period(client, user, secret, clock):
    used = code(secret)
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": used})
    client.post(reverse("account_logout"))
    clock.now += 30
    cache.delete(f"allauth.mfa.totp.used?user={user.pk}&code={used}")  # by then, allauth no longer remembers the code
    sign_in(client, user)
    assert client.post(reverse("mfa_authenticate"), {"code": used}).status_code == 200
    assert not get_user(client).is_authenticated
    assert client.post(reverse("mfa_authenticate"), {"code": code(secret)}).status_code == 302


@pytest.mark.parametrize(("seconds", "accepted"), [(-60, False), (-30, True), (30, True), (60, False)])
def test_a_clock_may_be_half_a_minute_wrong(client, user, secret, clock, seconds, accepted):
    clock.now += seconds
    shown = code(secret)
    clock.now -= seconds
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": shown})
    assert get_user(client).is_authenticated is accepted


def test_guessing_codes_is_limited(client, user, secret):
    sign_in(client, user)
    for guess in range(6):
        client.post(reverse("mfa_authenticate"), {"code": f"{guess:06d}"})
    response = client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    assert "Too many failed" in response.content.decode()
    assert not get_user(client).is_authenticated


def test_a_recovery_code_replaces_the_app_once(client, user, recovery_codes):
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": recovery_codes[0]})
    assert get_user(client) == user
    client.post(reverse("account_logout"))
    sign_in(client, user)
    assert client.post(reverse("mfa_authenticate"), {"code": recovery_codes[0]}).status_code == 200
    client.post(reverse("mfa_authenticate"), {"code": recovery_codes[1]})
    assert get_user(client) == user


def test_recovery_codes_are_shown_downloaded_and_replaced(client, user, secret, recovery_codes):
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    prove(client)
    page = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    assert all(code in page for code in recovery_codes)
    download = client.get(reverse("mfa_download_recovery_codes"))
    assert download.content.decode().split() == recovery_codes
    assert "Print them" in client.get(reverse("mfa_generate_recovery_codes")).content.decode()
    client.post(reverse("mfa_generate_recovery_codes"))
    fresh = client.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]
    assert len(fresh) == 10
    assert not set(fresh) & set(recovery_codes)


def test_switching_the_app_off_makes_the_password_enough_again(client, user, secret):
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    prove(client)
    assert "second factor" in client.get(reverse("mfa_deactivate_totp")).content.decode()
    client.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.filter(user=user).exists()
    client.post(reverse("account_logout"))
    sign_in(client, user)
    assert get_user(client) == user


def test_every_page_of_the_second_factor_is_in_our_look(client, user, secret):
    sign_in(client, user)
    client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    prove(client)
    key = Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "My phone"})
    addresses = [reverse(name) for name in (*MFA_PAGES, "mfa_deactivate_totp")]
    addresses += [reverse(name, args=[key.pk]) for name in ("mfa_edit_webauthn", "mfa_remove_webauthn")]
    for address in addresses:
        page = client.get(address).content.decode()
        assert 'class="manage"' in page, address
        assert 'aria-current="page"' in page, address
        assert "style=" not in page, address


def test_a_passkey_is_renamed_and_removed_by_its_owner_alone(client, user, other_user):
    keys = [
        Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Phone"})
        for person in (user, other_user)
    ]
    client.force_login(user)
    prove(client)
    for name in ("mfa_edit_webauthn", "mfa_remove_webauthn"):
        assert client.post(reverse(name, args=[keys[1].pk]), {"name": "mine"}).status_code == 404
    client.post(reverse("mfa_edit_webauthn", args=[keys[0].pk]), {"name": "Telephone"})
    keys[0].refresh_from_db()
    assert keys[0].wrap().name == "Telephone"
    client.post(reverse("mfa_remove_webauthn", args=[keys[0].pk]))
    assert list(Authenticator.objects.all()) == [keys[1]]


MADE_UP = ["", "{}", '{"id": "x"}', "[]", "null", "7", "not json", '{"id": "AAAA", "rawId": "AAAA", "response": {}}']


@pytest.mark.parametrize("credential", MADE_UP)
def test_a_forged_passkey_does_not_sign_in(client, user, credential):
    client.get(reverse("mfa_login_webauthn"), headers={"Accept": "application/json"})
    response = client.post(reverse("mfa_login_webauthn"), {"credential": credential})
    assert response.url == reverse("account_login")
    assert not get_user(client).is_authenticated


@pytest.mark.parametrize("credential", MADE_UP)
def test_a_forged_passkey_is_rejected_everywhere(client, user, secret, credential):
    sign_in(client, user)
    assert client.post(reverse("mfa_authenticate"), {"credential": credential}).status_code == 200
    assert not get_user(client).is_authenticated
    client.post(reverse("mfa_authenticate"), {"code": code(secret)})
    prove(client)
    client.get(reverse("mfa_add_webauthn"))
    assert client.post(reverse("mfa_add_webauthn"), {"name": "x", "credential": credential}).status_code == 200
    assert not Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN).exists()


def test_coming_back_takes_the_second_factor_too(client, user, secret):
    services.deactivate(user)
    assert sign_in(client, user).url == reverse("mfa_authenticate")
    assert client.post(reverse("accounts:reactivate")).url == reverse("account_login")
    user.refresh_from_db()
    assert user.is_deactivated
    assert client.post(reverse("mfa_authenticate"), {"code": code(secret)}).url == reverse("accounts:reactivate")
    client.post(reverse("accounts:reactivate"))
    assert get_user(client) == user


def test_the_admin_cannot_be_entered_with_the_password_alone(client, user, secret):
    user.is_staff = user.is_superuser = True
    user.save()
    response = client.post(reverse("admin:login"), {"username": user.username, "password": PASSWORD})
    assert response.url.startswith(reverse("account_login"))
    assert not get_user(client).is_authenticated
    sign_in(client, user, next=reverse("admin:index"))
    assert client.post(reverse("mfa_authenticate"), {"code": code(secret)}).url == reverse("admin:index")
    assert client.get(reverse("admin:index")).status_code == 200


def test_where_addresses_must_be_confirmed_a_second_factor_waits_for_that(client, user, settings):
    settings.MFA_ALLOW_UNVERIFIED_EMAIL = False
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
    client.force_login(user)
    prove(client)
    assert client.get(reverse("mfa_activate_totp")).url == reverse("mfa_index")
