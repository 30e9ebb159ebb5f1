"""An operator's control over accounts."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse
from django.utils.functional import Promise

from accounts import services, signals
from accounts.admin import AuthenticatorAdmin
from accounts.models import User
from generation.domain.states import Status
from tests.admin_forms import values_of
from tests.factories import JobFactory, UserFactory
from tests.persons import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    return client


def test_deleting_in_the_admin_takes_the_files_too_in_the_background(admin, user):
    admin.post(reverse("admin:accounts_user_delete", args=[user.pk]), {"post": "yes"})
    user.refresh_from_db()
    assert user.is_being_deleted
    assert not user.is_active


def test_deleting_many_does_the_same(admin, user, other_user):
    chosen = {"action": "delete_selected", "_selected_action": [user.pk, other_user.pk], "post": "yes"}
    admin.post(reverse("admin:accounts_user_changelist"), chosen)
    assert User.objects.leaving().count() == 2


def test_switching_an_account_on_ends_its_deactivation(admin, user):
    services.deactivate(user)
    address = reverse("admin:accounts_user_change", args=[user.pk])
    data = values_of(admin.get(address))
    assert admin.post(address, {**data, "is_active": "on"}).status_code == 302
    user.refresh_from_db()
    assert (user.is_active, user.is_deactivated) == (True, False)


def test_an_account_that_is_being_deleted_cannot_be_opened_again(admin, user):
    services.request_deletion(user)
    address = reverse("admin:accounts_user_change", args=[user.pk])
    assert admin.post(address, {"username": "back", "is_active": "on"}).status_code == 403
    user.refresh_from_db()
    assert not user.is_active


def test_only_staff_get_in(client, user):
    client.force_login(user)
    assert client.get(reverse("admin:index"), follow=True).status_code == 403


def test_an_operator_removes_a_lost_second_factor_and_sees_no_secret(admin, user):
    data = {"secret": "TOPSECRET"}
    factor = Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
    page = admin.get(reverse("admin:mfa_authenticator_change", args=[factor.pk])).content.decode()
    assert user.username in page
    assert "TOPSECRET" not in page
    assert admin.get(reverse("admin:mfa_authenticator_add")).status_code == 403
    admin.post(reverse("admin:mfa_authenticator_change", args=[factor.pk]), {"data": "{}"})
    factor.refresh_from_db()
    assert factor.data == data
    admin.post(reverse("admin:mfa_authenticator_delete", args=[factor.pk]), {"post": "yes"})
    assert not Authenticator.objects.exists()


def test_disabling_an_account_ends_its_sessions_and_jobs(admin, client, user, django_capture_on_commit_callbacks):
    job, somebody = JobFactory(user=user), Client()
    somebody.force_login(user)
    address = reverse("admin:accounts_user_change", args=[user.pk])
    data = values_of(admin.get(address))
    data.pop("is_active")
    with django_capture_on_commit_callbacks(execute=True):
        assert admin.post(address, data).status_code == 302
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert not get_user(somebody).is_authenticated


def test_a_password_set_by_an_operator_ends_open_connections(admin, user):
    ended = []
    listen = lambda user, **_kwargs: ended.append(user.pk)  # noqa: E731
    signals.sessions_ended.connect(listen)
    address = reverse("admin:auth_user_password_change", args=[user.pk])
    assert admin.post(address, {"password1": "pw", "password2": "other"}).status_code == 200
    assert ended == []
    new = {"password1": "a new passphrase", "password2": "a new passphrase", "usable_password": "true"}
    assert admin.post(address, new).status_code == 302
    assert ended == [user.pk]


def test_no_two_groups_of_the_administration_have_one_name(admin):
    groups = admin.get(reverse("admin:index")).context["app_list"]
    names = [str(group["name"]) for group in groups]
    assert len(set(names)) == len(names)
    assert {"Accounts", "Email addresses", "Second factors"} <= set(names)
    (factors,) = (group["models"] for group in groups if group["name"] == "Second factors")
    assert [str(model["name"]) for model in factors] == ["Second factors"]


def test_second_factors_have_names_that_can_be_translated():
    names = Authenticator._meta
    fields = [names.get_field(name).verbose_name for name in AuthenticatorAdmin.list_display]
    for name in (names.verbose_name, names.verbose_name_plural, names.app_config.verbose_name, *fields):
        assert isinstance(name, Promise), name
