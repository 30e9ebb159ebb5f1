"""Signing up, in and out, as a browser does it."""

import re

import pytest
from django.contrib.auth import get_user
from django.core import mail
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "a lamp in the fog"
FORM = {"username": "ada", "email": "ada@example.com", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.com", PASSWORD)


def sign_up(client, **changes):
    return client.post(reverse("account_signup"), FORM | changes)


def sign_in(client, login, password=PASSWORD, **more):
    return client.post(reverse("account_login"), {"login": login, "password": password} | more)


def error_at(response, field: str) -> str:
    """Return the error shown at a field, which must refer to it."""
    page = response.content.decode()
    widget = re.search(rf'<(?:input|textarea)[^>]*id="id_{field}"[^>]*>', page)[0]
    assert 'aria-invalid="true"' in widget
    assert f"id_{field}_error" in re.search(r'aria-describedby="([^"]*)"', widget)[1].split()
    return re.search(rf'id="id_{field}_error"[^>]*>(.*?)</ul>', page, re.S)[1]


def test_signing_up_makes_an_account_and_leads_straight_to_creating(client):
    response = sign_up(client)
    assert response.url == reverse("generation:create")
    user = User.objects.get()
    assert (user.username, user.email) == ("ada", "ada@example.com")
    assert user.check_password(PASSWORD)
    assert get_user(client) == user


def test_the_address_is_stored_in_lower_case_when_signing_up(client):
    sign_up(client, email="Ada@Example.COM")
    assert User.objects.get().email == "ada@example.com"


@pytest.mark.parametrize("name", ["ada", "ADA"])
def test_a_user_name_that_is_taken_is_said_at_the_field(client, ada, name):
    response = sign_up(client, username=name, email="other@example.com")
    assert "is taken" in error_at(response, "username")
    assert User.objects.get() == ada


def test_names_differing_only_in_non_ascii_case_are_taken(client):
    User.objects.create_user("Łukasz", "first@example.com", "pw")
    response = sign_up(client, username="łukasz")
    assert "is taken" in error_at(response, "username")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"username": ""}, "username", "required"),
        ({"username": "ada@example.com"}, "username", "letters, digits"),
        ({"email": ""}, "email", "required"),
        ({"email": "nonsense"}, "email", "valid email"),
        ({"password1": "short", "password2": "short"}, "password1", "too short"),
        ({"password1": "password", "password2": "password"}, "password1", "too common"),
        ({"password2": "something else"}, "password2", "same password"),
    ],
)
def test_errors_are_shown_at_the_field_and_no_account_is_created(client, changes, field, text):
    response = sign_up(client, **changes)
    assert text in error_at(response, field)
    assert not User.objects.exists()


@pytest.mark.parametrize("login", ["ada", "Ada", "ada@example.com", "ADA@Example.com"])
def test_signing_in_with_the_user_name_or_the_address(client, ada, login):
    response = sign_in(client, login)
    assert response.url == reverse("generation:create")
    assert get_user(client) == ada


def test_signing_in_leads_back_to_the_page_that_asked_for_it(client, ada):
    response = client.get(reverse("gallery:library"), follow=True)
    assert response.redirect_chain[-1][0] == f"{reverse('account_login')}?next={reverse('gallery:library')}"
    assert sign_in(client, "ada", next=reverse("gallery:library")).url == reverse("gallery:library")


@pytest.mark.parametrize("login", ["ada", "ada@example.com", "nobody", "nobody@example.com"])
def test_a_wrong_password_and_an_unknown_name_read_alike(client, ada, login):
    response = sign_in(client, login, "wrong")
    assert response.status_code == 200
    page = response.content.decode()
    assert re.search(r'role="alert".*you specified are not correct', page, re.S)
    assert not get_user(client).is_authenticated


def test_an_account_that_is_switched_off_cannot_sign_in(client, ada):
    User.objects.update(is_active=False)
    response = sign_in(client, "ada")
    assert not get_user(client).is_authenticated
    assert "switched off" in client.get(response.url).content.decode()


@pytest.mark.parametrize(("ticked", "expires_at_browser_close"), [({"remember": "on"}, False), ({}, True)])
def test_staying_signed_in_is_asked_for(client, ada, ticked, expires_at_browser_close):
    sign_in(client, "ada", **ticked)
    assert client.session.get_expire_at_browser_close() is expires_at_browser_close


def test_signing_out_takes_a_post(client, ada):
    client.force_login(ada)
    assert "Sign out" in client.get(reverse("account_logout")).content.decode()
    assert get_user(client).is_authenticated
    assert client.post(reverse("account_logout")).url == reverse("home")
    assert not get_user(client).is_authenticated


def test_a_forgotten_password_is_replaced_through_the_link_in_the_mail(client, ada):
    client.post(reverse("account_reset_password"), {"email": "ada@example.com"})
    (letter,) = mail.outbox
    assert letter.to == ["ada@example.com"]
    link = re.search(r"http://testserver(/\S+)", letter.body)[1]
    form = client.get(link, follow=True)
    new = "a lamp in the rain"
    client.post(form.request["PATH_INFO"], {"password1": new, "password2": new})
    ada.refresh_from_db()
    assert ada.check_password(new)
    assert "no longer works" in client.get(link, follow=True).content.decode()


def test_every_page_of_the_account_is_in_our_look(client, ada):
    for name in ("account_login", "account_signup", "account_reset_password", "account_reset_password_done"):
        assert "css/auravideo.css" in client.get(reverse(name)).content.decode()
    client.force_login(ada)
    for name in ("account_email", "account_change_password", "account_logout"):
        page = client.get(reverse(name)).content.decode()
        assert "css/auravideo.css" in page
        assert 'aria-current="page"' in page
        assert "style=" not in page
