"""What the owner of a clip reads while it is checked, and afterwards."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from auravideo.celery import app
from gallery.models import SafetyRule, Screened, Screening, Video, Visibility
from gallery.moderation import alerts, services
from tests.factories import VideoFactory, a_moderator
from tests.gallery.screening.conftest import scored

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
TEXTS = {
    "hidden": "A moderator has hidden this clip",
    "checking": "This clip is being checked",
    "late": "still to be checked",
    "failed": "a fault on our side",
    "flagged": "was not sure about it",
    "given-up": "because the automatic safety check cannot look at it",
    "not-approved": "decided that only you can see it",
    "": "Checked. Others can now see this clip.",
}


@pytest.fixture
def video(client, user):
    client.force_login(user)
    return VideoFactory(user=user, public=True, screening=Screened.UNSEEN)


def asked(video, ago: timedelta = timedelta(), problem: str = "") -> None:
    moment = timezone.now() - ago
    Screening.objects.create(video=video, asked_at=moment, sent_at=moment, problem=problem)


def part(client, video, was: str = "nothing"):
    return client.get(reverse("gallery:share-check", args=[video.pk]), {"was": was}, headers=HTMX)


STATES = {
    "hidden": lambda video: Video.objects.update(hidden_at=timezone.now()),
    "checking": asked,
    "late": lambda video: asked(video, timedelta(minutes=5)),
    "failed": lambda video: asked(video, problem="file"),
    "flagged": lambda video: Video.objects.update(screening=Screened.FLAGGED),
    "given-up": lambda video: [asked(video, problem="other"), Video.objects.update(screening=Screened.FLAGGED)],
    "not-approved": lambda video: Video.objects.update(screening=Screened.REFUSED),
    "": lambda video: Video.objects.update(screening=Screened.PASSED),
}


@pytest.mark.parametrize("state", STATES)
def test_the_page_and_the_part_that_asks_for_itself_say_the_same(client, video, state):
    STATES[state](video)
    page = client.get(reverse("gallery:video", args=[video.pk])).content.decode()
    answer = part(client, video).content.decode()
    assert TEXTS[state] in answer
    assert (TEXTS[state] in page) is bool(state)
    assert [text for name, text in TEXTS.items() if name != state and text in answer] == []
    is_asking = state in ("checking", "late", "failed")
    assert ("hx-get" in answer, f"?was={state}" in page) == (is_asking, is_asking)
    assert part(client, video, was=state).status_code == 204


def test_without_htmx_the_part_leads_to_the_page(client, video):
    answer = client.get(reverse("gallery:share-check", args=[video.pk]))
    assert answer.url == reverse("gallery:video", args=[video.pk])


def test_if_the_check_is_off_nothing_is_said_about_it(client, video):
    asked(video)
    SafetyRule(is_on=False).save()
    page = client.get(reverse("gallery:video", args=[video.pk])).content.decode()
    assert [text for text in TEXTS.values() if text in page] == []


@pytest.mark.parametrize("to", ["public", "unlisted"])
def test_after_sharing_it_says_that_the_clip_is_checked_first(client, user, sent, to):
    client.force_login(user)
    video = VideoFactory(user=user, screening=Screened.UNSEEN)
    answer = client.post(reverse("gallery:visibility", args=[video.pk]), {"visibility": to}, headers=HTMX)
    html = answer.content.decode()
    assert "Others can watch it once it has been checked." in html
    assert TEXTS["checking"] in html
    assert "now find and watch" not in html


@pytest.mark.parametrize("state", ["hidden", "flagged", "not-approved"])
@pytest.mark.parametrize("to", ["public", "unlisted"])
def test_after_sharing_it_does_not_say_that_others_see_what_is_held_back(client, user, sent, to, state):
    client.force_login(user)
    video = VideoFactory(user=user)
    STATES[state](video)
    answer = client.post(reverse("gallery:visibility", args=[video.pk]), {"visibility": to}, headers=HTMX)
    html = answer.content.decode()
    assert TEXTS[state] in html
    assert "can now" not in html
    assert ("once a moderator has approved it" in html) is (state == "flagged")


def test_who_made_it_private_meanwhile_does_not_read_that_others_see_it(client, video):
    asked(video)
    Video.objects.update(visibility=Visibility.PRIVATE, screening=Screened.PASSED)
    assert TEXTS[""] not in part(client, video, was="checking").content.decode()


@pytest.mark.parametrize("past", ["late", "failed"])
def test_shared_again_it_is_checked_anew_whatever_became_of_the_last_time(client, user, sent, past):
    client.force_login(user)
    video = VideoFactory(user=user, screening=Screened.UNSEEN)
    STATES[past](video)
    answer = client.post(reverse("gallery:visibility", args=[video.pk]), {"visibility": "public"}, headers=HTMX)
    assert TEXTS["checking"] in answer.content.decode()


@pytest.mark.parametrize("decision", ["flag", "approve", "refuse", "clear"])
def test_every_decision_is_a_notice_in_plain_words(client, sent, decision):
    moderator, video = a_moderator(), scored(0.9)
    services.flag(video)
    if decision in ("approve", "refuse"):
        getattr(services, decision)(moderator, video, "A statue")
    elif decision == "clear":
        services.clear(video)
    client.force_login(video.user)
    page = client.get(reverse("gallery:notices")).content.decode()
    said = {
        "flag": "It is often wrong.",
        "approve": "A moderator has looked at this clip. It is visible to everyone you chose.",
        "refuse": "decided that only you can see it.",
        "clear": "no longer waits for a moderator",
    }
    assert said[decision] in page
    assert ("A statue" in page) is (decision in ("approve", "refuse"))


def test_the_export_of_ones_data_says_what_was_found(user, sent):
    from gallery.personal_data import _record

    assert _record(VideoFactory(user=user, screening=Screened.FLAGGED))["safety_check"] == "flagged"


# --- Letters ----------------------------------------------------------------------------------------------------------


def test_moderators_get_a_letter_with_a_link_and_the_owner_one_if_refused(
    settings, monkeypatch, django_capture_on_commit_callbacks
):
    app.loader.import_default_modules()
    settings.SITE_URL = "https://video.example.org"
    monkeypatch.setattr(app, "send_task", lambda name, args=(), **_options: app.tasks[name].apply(args=args))
    moderator, video = a_moderator(), scored(0.9)
    with django_capture_on_commit_callbacks(execute=True):
        services.flag(video)
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [
        ([moderator.email], "AuraVideo: A clip waits for a moderator")
    ]
    assert alerts.waiting_list() in mail.outbox[0].body
    with django_capture_on_commit_callbacks(execute=True):
        services.refuse(moderator, video, "Not on this site")
    assert mail.outbox[1].to == [video.user.email]
    assert "Not on this site" in mail.outbox[1].body
    assert "held back" in mail.outbox[1].body


def test_a_private_clip_says_nothing_of_the_check(client, user):
    client.force_login(user)
    video = VideoFactory(user=user, screening=Screened.FLAGGED, visibility=Visibility.PRIVATE)
    assert TEXTS["flagged"] not in client.get(reverse("gallery:video", args=[video.pk])).content.decode()
