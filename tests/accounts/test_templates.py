"""Our own templates cover every allauth page and email that this site can send."""

from pathlib import Path

import pytest
from allauth.account import urls as account_urls
from allauth.mfa import urls as mfa_urls
from django.conf import settings
from django.core import mail
from django.template.loader import get_template
from django.urls import URLPattern, reverse

OURS = Path(settings.BASE_DIR) / "templates"
# Features that the settings turn off: sign-in, sign-up and step-up by emailed code, and everything by phone.
OFF = {
    "account/confirm_email_verification_code.html",
    "account/confirm_login_code.html",
    "account/confirm_password_reset_code.html",
    "account/confirm_phone_verification_code.html",
    "account/phone_change.html",
    "account/request_login_code.html",
}


def templates_of(patterns) -> set[str]:
    found = set()
    for pattern in patterns:
        if not isinstance(pattern, URLPattern):
            found |= templates_of(pattern.url_patterns)
        elif name := getattr(getattr(pattern.callback, "view_class", None), "template_name", None):
            found.add(name)
    return found


PAGES = sorted(templates_of([*account_urls.urlpatterns, *mfa_urls.urlpatterns]) - OFF)


def test_the_pages_are_found():
    assert {"account/login.html", "mfa/index.html", "mfa/webauthn/add_form.html"} <= set(PAGES)
    assert len(PAGES) >= 24


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_ours(name):
    assert Path(get_template(name).origin.name).is_relative_to(OURS)


@pytest.mark.parametrize("folder", ["account/messages", "mfa/messages"])
def test_every_message_is_ours(folder):
    import allauth

    theirs = sorted((Path(allauth.__file__).parent / "templates" / folder).glob("*.txt"))
    assert theirs
    wanted = [path.name for path in theirs if not any(word in path.name for word in ("login_code", "phone"))]
    assert [name for name in wanted if not (OURS / folder / name).exists()] == []


@pytest.mark.django_db
def test_the_emails_are_ours(client, user, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    client.post(reverse("account_reset_password"), {"email": "nobody@example.org"})
    passwords = {"password1": "a lamp in the fog", "password2": "a lamp in the fog"}
    client.post(reverse("account_signup"), {"username": "eve", "email": user.email, **passwords})
    subjects = [letter.subject for letter in mail.outbox]
    assert subjects == ["AuraVideo: There is no account with this address", "AuraVideo: You already have an account"]
    for letter in mail.outbox:
        assert letter.body.startswith("Hello,")
        assert "If it was not you, do nothing." in letter.body
