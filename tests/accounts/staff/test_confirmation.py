"""Irreversible acts of staff are confirmed, without losing what was typed."""

import time

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests import totp
from tests.accounts.staff.conftest import later
from tests.admin_forms import values_of
from tests.factories import PASSWORD
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

CONFIRM = reverse("account_reauthenticate")


@pytest.fixture
def chief_at_work(client, chief, settings) -> Client:
    """Return the browser of a superuser who signed in a while ago."""
    settings.STAFF_SECOND_FACTOR = "off"
    sign_in(client, chief)
    later(client, 600)
    return client


def form_of(client: Client, user) -> dict:
    return values_of(client.get(reverse("admin:accounts_user_change", args=[user.pk])))


def confirm(client: Client, answer, method: str = "post"):
    assert answer.status_code == 302 and answer.url.startswith(CONFIRM), answer
    target = answer.url.partition("next=")[2]
    return client.post(CONFIRM, {"password": PASSWORD, "next": target.replace("%2F", "/")})


def test_reading_needs_no_confirmation(chief_at_work, user):
    for name, args in (("index", []), ("accounts_user_changelist", []), ("accounts_user_change", [user.pk])):
        assert chief_at_work.get(reverse(f"admin:{name}", args=args)).status_code == 200, name


def test_who_has_just_signed_in_is_not_asked(signed_in_with_app, user):
    assert signed_in_with_app.get(reverse("admin:accounts_user_delete", args=[user.pk])).status_code == 200


def test_a_page_that_deletes_is_shown_after_the_confirmation(chief_at_work, user):
    address = reverse("admin:accounts_user_delete", args=[user.pk])
    answer = confirm(chief_at_work, chief_at_work.get(address))
    assert answer.url == address
    assert chief_at_work.get(address).status_code == 200
    chief_at_work.post(address, {"post": "yes"})
    user.refresh_from_db()
    assert user.is_being_deleted


def test_nothing_is_deleted_unconfirmed_and_nobody_confirms_with_a_wrong_password(chief_at_work, user):
    address = reverse("admin:accounts_user_delete", args=[user.pk])
    answer = chief_at_work.post(address, {"post": "yes"})
    assert answer.url.startswith(CONFIRM)
    chief_at_work.post(CONFIRM, {"password": "wrong", "next": address})
    user.refresh_from_db()
    assert not user.is_being_deleted
    assert chief_at_work.get(address).url.startswith(CONFIRM)


def test_a_part_of_a_page_takes_the_whole_page_to_the_confirmation(chief_at_work, user):
    htmx = {"HX-Request": "true", "HX-Current-URL": "http://testserver/admin/accounts/user/"}
    answer = chief_at_work.get(reverse("admin:accounts_user_delete", args=[user.pk]), headers=htmx)
    assert answer["HX-Redirect"] == f"{CONFIRM}?next=/admin/accounts/user/"


@pytest.mark.parametrize("query", ["", "?_changelist_filters=is_staff__exact%3D1"])
def test_rights_are_granted_after_the_confirmation_with_what_was_typed(chief_at_work, user, query):
    address = reverse("admin:accounts_user_change", args=[user.pk])
    data = {**form_of(chief_at_work, user), "is_staff": "on", "full_name": "Typed before"}
    answer = chief_at_work.post(address + query, data)
    user.refresh_from_db()
    assert not user.is_staff
    confirm(chief_at_work, answer)
    user.refresh_from_db()
    assert user.is_staff and user.full_name == "Typed before"


def test_deleting_several_is_confirmed_and_goes_on(chief_at_work, user, other_user):
    chosen = {"action": "delete_selected", "_selected_action": [user.pk, other_user.pk]}
    answer = confirm(chief_at_work, chief_at_work.post(reverse("admin:accounts_user_changelist"), chosen))
    assert answer.status_code == 200 and "Are you sure" in answer.content.decode()
    assert not User.objects.leaving().exists()


def test_a_second_menu_with_a_harmless_action_hides_nothing(chief_at_work, user):
    chosen = {"action": ["delete_selected", "approve"], "index": "0", "_selected_action": [user.pk], "post": "yes"}
    answer = chief_at_work.post(reverse("admin:accounts_user_changelist"), chosen)
    assert answer.url.startswith(CONFIRM)
    assert not User.objects.leaving().exists()


def test_the_address_by_which_a_password_can_be_reset_is_changed_after_the_confirmation(chief_at_work, chief):
    address = reverse("admin:account_emailaddress_add")
    answer = chief_at_work.post(address, {"user": chief.pk, "email": "intruder@example.org", "verified": "on"})
    assert not EmailAddress.objects.filter(email="intruder@example.org").exists()
    confirm(chief_at_work, answer)
    assert EmailAddress.objects.filter(email="intruder@example.org", user=chief).exists()


def test_a_password_for_somebody_is_never_kept_in_the_session(chief_at_work, user):
    address = reverse("admin:auth_user_password_change", args=[user.pk])
    assert chief_at_work.get(address).url.startswith(CONFIRM)
    later(chief_at_work, 3600)
    new = {"password1": "a new passphrase", "password2": "a new passphrase", "usable_password": "true"}
    assert chief_at_work.post(address, new).url == address
    assert "a new passphrase" not in str(dict(chief_at_work.session.items()))
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_a_code_of_the_app_confirms_too(signed_in_with_app, chief, user):
    later(signed_in_with_app, 600)
    address = reverse("admin:accounts_user_delete", args=[user.pk])
    assert signed_in_with_app.get(address).url.startswith(CONFIRM)
    page = signed_in_with_app.get(CONFIRM, {"next": address}).content.decode()
    assert reverse("mfa_reauthenticate") in page
    assert totp.code("JBSWY3DPEHPK3PXP", time.time()).isdigit()
