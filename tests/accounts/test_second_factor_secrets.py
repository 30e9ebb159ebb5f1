"""Second factors are stored encrypted, survive a change of the secret key, and say so clearly if it is lost."""

import json
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.utils import decrypt
from django.core.management import call_command
from django.urls import reverse

from accounts import second_factor_secrets
from auravideo.doctor import services as doctor
from auravideo.doctor.findings import Problem
from tests import totp
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
OTHER = "another secret key of at least fifty characters, for tests"


@pytest.fixture
def secret(user) -> str:
    """Give the user an authenticator app and recovery codes; return the app's secret."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def stored() -> str:
    return json.dumps(list(Authenticator.objects.values_list("data", flat=True)))


def in_the_clear(secret: str, user) -> list[str]:
    """Store the second factors as an earlier version did; return the recovery codes."""
    app, codes = (Authenticator.objects.get(user=user, type=kind) for kind in second_factor_secrets._TYPES)
    app.data = {"secret": secret}
    codes.data = {**codes.data, "seed": decrypt(codes.data["seed"]), "used_mask": 4}
    app.save()
    codes.save()
    return codes.wrap().get_unused_codes()


def code(secret: str) -> str:
    return totp.code(secret, time.time())


def sign_in(client, user, secret: str):
    client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    return client.post(reverse("mfa_authenticate"), {"code": code(secret)})


def test_neither_the_secret_nor_the_seed_is_in_the_database(client, user, secret):
    app, codes = (Authenticator.objects.get(user=user, type=kind) for kind in second_factor_secrets._TYPES)
    assert decrypt(app.data["secret"]) == secret
    assert secret not in stored() and decrypt(codes.data["seed"]) not in stored()
    assert not any(one in stored() for one in codes.wrap().get_unused_codes())
    assert sign_in(client, user, secret).url == reverse("generation:create")


def test_the_same_secret_is_never_stored_alike():
    assert len({second_factor_secrets.encrypt("JBSWY3DPEHPK3PXP") for _ in range(10)}) == 10


def test_what_an_earlier_version_stored_works_and_is_encrypted_by_the_next_migration(client, user, secret):
    codes = in_the_clear(secret, user)
    assert secret in stored()
    assert sign_in(client, user, secret).status_code == 302, "before"
    call_command("migrate", verbosity=0)
    assert secret not in stored()
    found = Authenticator.objects.get(user=user, type=Authenticator.Type.RECOVERY_CODES).wrap()
    assert found.get_unused_codes() == codes and len(codes) == 9, "used ones stay used"
    before = stored()
    call_command("migrate", verbosity=0)
    assert stored() == before, "only once"


def test_a_former_key_opens_what_it_closed_until_all_is_closed_with_the_new_one(client, user, secret, settings):
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], OTHER
    assert sign_in(client, user, secret).status_code == 302
    assert second_factor_secrets.protect() == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert second_factor_secrets.count_unreadable() == 0
    assert decrypt(Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP).data["secret"]) == secret


def test_a_lost_key_is_explained_to_the_person_and_to_the_operator(client, user, secret, settings, caplog):
    assert doctor.second_factors() == "all can be read"
    settings.SECRET_KEY = OTHER
    response = sign_in(client, user, secret)
    assert response.status_code == 200
    assert "the secret key of this site was changed" in response.content.decode()
    assert "SECRET_KEY_FALLBACKS" in caplog.text
    with pytest.raises(Problem) as raised:
        doctor.second_factors()
    assert raised.value.detail == "2 cannot be read with SECRET_KEY" and "SECRET_KEY_FALLBACKS" in raised.value.fix
    before = stored()
    call_command("migrate", verbosity=0)
    assert stored() == before, "nothing is lost that the former key could still open"


def test_a_page_that_needs_a_lost_key_says_so_too(client, user, secret, settings):
    settings.SECRET_KEY = OTHER
    client.force_login(user)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    response = client.get(reverse("mfa_view_recovery_codes"))
    assert response.status_code == 403
    assert "the secret key of this site was changed" in response.content.decode()


@pytest.mark.parametrize("changed", ["fernet:", "fernet:x", "fernet:gAAAAA==", "fernet:ż"])
def test_a_changed_secret_is_never_used(changed):
    with pytest.raises(second_factor_secrets.Unreadable):
        second_factor_secrets.decrypt(changed)
