"""Emails that no request asked for: where no setting says the site's address, they name it as well as they can."""

import re

import pytest
from django.conf import settings as site_settings
from django.core import mail
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import SecurityEvent
from accounts.sign_in import mails
from gallery.models import Act, ModerationAction
from gallery.moderation import alerts, emails, newcomers
from tests.factories import UserFactory, VideoFactory, a_moderator

pytestmark = pytest.mark.django_db

LANGUAGES = [code for code, _name in site_settings.LANGUAGES]
HOSTS = [
    (["video.example.org"], "AuraVideo, {}video.example.org"),
    ([".example.org"], "AuraVideo, {}example.org"),
    ([], "AuraVideo"),
]


def of_accounts() -> None:
    user = UserFactory()
    event = SecurityEvent.objects.create(user=user, kind=SecurityEvent.Kind.FACTORS_RESET)
    asked = [(mails.SECURITY, event.pk), (mails.APPROVED, user.pk)]
    asked += [(kind, user.email) for kind in (mails.DECLINED, mails.EXPIRED)]
    for kind, what in asked:
        mails.ask_for(kind, what, None)
    assert len(mail.outbox) == len(asked)


def of_moderation() -> None:
    video = VideoFactory()
    acts = {*Act} - {Act.DISMISS, Act.RESTORE, Act.WAIT, Act.APPROVE, Act.PASS, Act.PICK, Act.UNPICK}
    for act in acts:
        action = ModerationAction.objects.create(act=act, person=video.user, video=video, video_title=video.title)
        emails.write(str(action.pk), "", "")
    moderator = a_moderator()
    UserFactory(is_active=False, approval_awaited_since=timezone.now())
    newcomers.write(moderator.pk, "")
    alerts.write_of_waiting(moderator.pk, str(video.pk))
    for is_hidden in (False, True):
        alerts.write(moderator.pk, str(video.pk), "", is_hidden)
    assert len(mail.outbox) == len(acts) + 4


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("hosts", "signature"), HOSTS, ids=["a host", "a domain", "nothing"])
@pytest.mark.parametrize("write", [of_accounts, of_moderation])
def test_every_email_ends_with_a_name_and_has_no_half_a_link(settings, write, hosts, signature, language):
    settings.SITE_URL, settings.CSRF_TRUSTED_ORIGINS, settings.ALLOWED_HOSTS = "", [], hosts
    settings.LANGUAGE_CODE = language
    with translation.override(language):
        write()
    for letter in mail.outbox:
        last = letter.body.strip().splitlines()[-1]
        assert last == signature.format("at " if language == "en" else ""), letter.body
        assert not re.search(r"^\s*/", letter.body, re.MULTILINE), letter.body
        # No line announces a link that is not there.
        assert not re.search(r":\s*\n\s*\n\s*(\n|AuraVideo)", letter.body), (
            f"announces what is not there: {letter.body}"
        )


@pytest.mark.parametrize(
    ("agent", "ip", "is_named"), [("", None, False), ("", "192.0.2.7", True), ("curl", None, True)]
)
def test_what_an_operator_did_on_the_command_line_is_not_said_to_come_from_a_browser(client, agent, ip, is_named):
    user, kind = UserFactory(), SecurityEvent.Kind.FACTORS_RESET
    event = SecurityEvent.objects.create(user=user, kind=kind, user_agent=agent, ip=ip)
    mails.ask_for(mails.SECURITY, event.pk, None)
    (letter,) = mail.outbox
    assert ("nknown browser" in letter.body or "curl" in letter.body) is is_named, letter.body
    assert "\n\n\n" not in letter.body
    client.force_login(user)
    listed = client.get(reverse("accounts:security")).content.decode().partition('id="happened"')[2]
    assert ("nknown browser" in listed or "curl" in listed) is is_named
