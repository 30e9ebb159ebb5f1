"""Staff need a second factor as soon as there is somebody else's account to protect."""

import time
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import SecurityEvent
from accounts.services import request_deletion
from gallery.access import playable_videos
from tests import totp
from tests.factories import PASSWORD, UserFactory, VideoFactory, a_moderator
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

INDEX = "/admin/"
SET_UP = "/accounts/2fa/"


def where(client: Client, address: str = INDEX) -> str | int:
    """Return where a page leads, or its status."""
    answer = client.get(address)
    return answer.url if answer.status_code == 302 else answer.status_code


def test_a_lone_owner_never_notices(client, chief):
    sign_in(client, chief)
    assert where(client) == 200
    page = client.get(SET_UP).content.decode()
    assert "before you can open the administration" not in page


def test_with_a_second_account_staff_are_led_to_set_one_up_and_then_let_in(client, chief, user):
    sign_in(client, chief)
    assert where(client) == SET_UP
    assert "before you can open the administration" in client.get(SET_UP).content.decode()
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    answer = client.post(reverse("mfa_activate_totp"), {"code": totp.code(secret, time.time())}, follow=True)
    assert "Go to the administration" in answer.content.decode()
    assert where(client) == 200


def test_an_account_that_is_being_deleted_is_nobody_to_protect(client, chief, user):
    request_deletion(user)
    sign_in(client, chief)
    assert where(client) == 200


@pytest.mark.parametrize(("rule", "answer"), [("on", SET_UP), ("off", 200)])
def test_the_setting_decides_otherwise(client, chief, settings, rule, answer):
    settings.STAFF_SECOND_FACTOR = rule
    if rule == "off":
        UserFactory()
    sign_in(client, chief)
    assert where(client) == answer


def test_every_page_of_the_administration_refuses_but_signing_out(client, chief, user):
    sign_in(client, chief)
    for name in ("index", "jsi18n", "autocomplete", "accounts_user_changelist", "accounts_user_add"):
        assert where(client, reverse(f"admin:{name}")) == SET_UP, name
    assert where(client, reverse("admin-overview")) == SET_UP
    change = reverse("admin:accounts_user_change", args=[user.pk])
    assert client.post(change, {"username": "x"}).url == SET_UP
    assert client.post(reverse("admin:logout")).status_code == 200
    assert not get_user(client).is_authenticated


def test_removing_the_last_factor_closes_the_administration_again(signed_in_with_app, chief, user):
    assert where(signed_in_with_app) == 200
    Authenticator.objects.filter(user=chief, type=Authenticator.Type.TOTP).delete()
    assert where(signed_in_with_app) == SET_UP


def test_recovery_codes_alone_are_no_factor(client, chief, user):
    Authenticator.objects.create(user=chief, type=Authenticator.Type.RECOVERY_CODES, data={})
    sign_in(client, chief)
    assert where(client) == SET_UP


def test_the_administration_has_no_sign_in_by_password_alone(client, chief, user):
    totp.give(chief)
    answer = client.post(reverse("admin:login"), {"username": chief.username, "password": PASSWORD})
    assert answer.url.startswith(reverse("account_login"))
    client.post(reverse("account_login"), {"login": chief.username, "password": PASSWORD})
    assert not get_user(client).is_authenticated
    assert where(client).startswith(reverse("admin:login"))


def test_the_password_page_of_the_administration_is_that_of_the_settings(signed_in_with_app):
    assert where(signed_in_with_app, reverse("admin:password_change")) == reverse("account_change_password")


def test_what_moderators_may_outside_the_administration_needs_it_too(user):
    moderator, hidden = a_moderator(), VideoFactory(user=user, public=True, hidden_at=timezone.now())
    assert hidden not in playable_videos(moderator)
    totp.give(moderator)
    assert hidden in playable_videos(moderator)


def test_somebody_without_rights_is_asked_for_nothing(client, chief, user):
    sign_in(client, user)
    assert client.get(reverse("generation:create")).status_code == 200
    assert "administration" not in client.get(SET_UP).content.decode()


def test_an_operator_who_lost_the_device_is_let_back_in_by_the_command_line(
    signed_in_with_app, chief, user, django_capture_on_commit_callbacks
):
    out = StringIO()
    with django_capture_on_commit_callbacks(execute=True):
        call_command("reset_second_factor", "CHIEF", stdout=out)
    assert "chief has no second factor now" in out.getvalue()
    assert not Authenticator.objects.filter(user=chief).exists()
    assert not get_user(signed_in_with_app).is_authenticated and not UserSession.objects.exists()
    assert SecurityEvent.objects.filter(user=chief).latest("pk").kind == "factors-reset"
    assert [letter.subject for letter in mail.outbox] == [
        "AuraVideo: Your account: Second factor removed by an operator"
    ]
    for name, reason in (("chief", "has no second factor"), ("nobody", "no user nobody")):
        with pytest.raises(CommandError, match=reason):
            call_command("reset_second_factor", name)
