"""Strangers cannot hide a clip: a report counts by what the site knows of the person."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from gallery.models import Act, ModerationAction, Reason, Report, ReportState, Video, Visibility
from gallery.moderation import alerts, services, standing
from gallery.moderation.standing import AT_ONCE, KNOWN, NEWCOMER, VISITOR
from tests.factories import ReportFactory, UserFactory, VideoFactory, a_known_user, a_moderator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _letters(letters_written):
    """Send emails immediately."""


@pytest.fixture
def video():
    return a_video()


@pytest.fixture
def moderator():
    return a_moderator()


def a_video(**fields):
    return VideoFactory(visibility=Visibility.PUBLIC, published_at=timezone.now(), **fields)


def is_shown(video) -> bool:
    return Video.objects.listed().filter(pk=video.pk).exists()


def answered(reporter, state, count=1, key="k", days=1):
    """Create reports that moderators have answered."""
    handled = timezone.now() - timedelta(days=days)
    ReportFactory.create_batch(count, reporter=reporter, visitor_key=key, state=state, handled_at=handled)


def test_the_reports_of_strangers_hide_nothing_however_many(video):
    for number in range(60):
        services.report(video, None, f"address {number}", Reason.SPAM)
    assert is_shown(video)
    assert video.reports.count() == 60, "the moderators read them all"


def test_neither_do_those_of_accounts_made_for_it(video):
    for number in range(40):
        services.report(video, UserFactory(), f"address {number}", Reason.SPAM)
    assert is_shown(video)


def test_strangers_add_to_what_known_users_say(video):
    for number in range(3):
        services.report(video, a_known_user(), f"known {number}", Reason.SPAM)
    for number in range(9):
        services.report(video, None, f"address {number}", Reason.SPAM)
    assert is_shown(video)
    services.report(video, None, "one more", Reason.SPAM)
    assert not is_shown(video), "3 + 10 * 0.2 is 5"


def test_five_known_users_hide_a_clip_as_before(video):
    for number in range(5):
        assert is_shown(video)
        services.report(video, a_known_user(), f"known {number}", Reason.SPAM)
    assert not is_shown(video)


def test_a_report_counts_by_who_sends_it():
    assert standing.weight_of(None, "k") == VISITOR
    assert standing.weight_of(UserFactory(), "k") == NEWCOMER
    assert standing.weight_of(a_known_user(), "k") == KNOWN
    just = UserFactory(date_joined=timezone.now() - standing.ESTABLISHED + timedelta(minutes=1))
    assert standing.weight_of(just, "k") == NEWCOMER


def test_dismissed_reports_cost_weight_and_upheld_ones_earn_it_back():
    person = a_known_user()
    answered(person, ReportState.DISMISSED)
    assert standing.weight_of(person, "k") == pytest.approx(2 / 3)
    answered(person, ReportState.DISMISSED, 3)
    assert standing.weight_of(person, "k") == pytest.approx(1 / 3)
    answered(person, ReportState.UPHELD, 6)
    assert standing.weight_of(person, "k") == pytest.approx(2 / 3)


def test_decisions_are_forgotten_after_a_year():
    person = a_known_user()
    answered(person, ReportState.DISMISSED, 9, days=400)
    assert standing.weight_of(person, "k") == KNOWN


def test_a_new_account_does_not_shake_off_the_past_of_its_address():
    answered(None, ReportState.DISMISSED, 4, key="home")
    assert standing.weight_of(UserFactory(), "home") < NEWCOMER / 2
    assert standing.weight_of(None, "home") < VISITOR / 2
    assert standing.weight_of(a_known_user(), "home") == KNOWN, "others may live there"


def test_who_reports_many_clips_at_once_hides_few_of_them(settings):
    settings.AUTO_HIDE_REPORTS = 1
    person, videos = a_known_user(), [a_video() for _ in range(20)]
    for video in videos:
        services.report(video, person, "k", Reason.SPAM)
    assert [is_shown(video) for video in videos] == [False] * AT_ONCE + [True] * (20 - AT_ONCE)


def test_a_moderators_decision_is_final(video, moderator, settings):
    settings.AUTO_HIDE_REPORTS = 1
    services.report(video, a_known_user(), "a", Reason.SPAM)
    services.restore(moderator, video, "fine")
    for number in range(9):
        services.report(video, a_known_user(), f"b{number}", Reason.SPAM)
    assert is_shown(video)


@pytest.mark.parametrize("signed_in", [False, True])
def test_whose_reports_are_mostly_dismissed_may_send_two_a_day(client, signed_in):
    person = a_known_user() if signed_in else None
    if person:
        client.force_login(person)
    data = {"reason": "spam"}
    client.post(reverse("gallery:report", args=[a_video().pk]), data)
    key = Report.objects.get().visitor_key
    answered(person, ReportState.DISMISSED, 9, key=key)
    statuses = [client.post(reverse("gallery:report", args=[a_video().pk]), data).status_code for _ in range(4)]
    assert statuses == [302, 302, 429, 429]


# --- Moderators are told ----------------------------------------------------------------------------------------------


def test_moderators_are_told_at_once_and_nobody_else(video, moderator, django_capture_on_commit_callbacks):
    UserFactory(is_staff=True)
    a_moderator(is_active=False)
    with django_capture_on_commit_callbacks(execute=True):
        services.report(video, None, "a", Reason.SPAM, site="https://clips.example/")
    (letter,) = mail.outbox
    assert letter.to == [moderator.email]
    assert letter.subject == "AuraVideo: A clip was reported"
    assert video.title in letter.body
    assert "https://clips.example" + reverse("admin:gallery_report_changelist") in letter.body


def test_of_reports_that_wait_moderators_get_one_email_an_hour(moderator, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        for number in range(5):
            services.report(a_video(), None, f"a{number}", Reason.SPAM)
    assert len(mail.outbox) == 1


def test_a_clip_that_reports_have_hidden_is_always_told_to_its_owner_and_moderators(
    moderator, settings, django_capture_on_commit_callbacks
):
    settings.AUTO_HIDE_REPORTS = 1
    for number in range(2):
        video = a_video()
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            services.report(video, a_known_user(), f"a{number}", Reason.SPAM)
        assert sorted(letter.to[0] for letter in mail.outbox) == sorted([moderator.email, video.user.email])
        assert ModerationAction.objects.filter(person=video.user, act=Act.AUTO_HIDE).exists()


def test_moderators_read_it_in_their_language(video, django_capture_on_commit_callbacks):
    a_moderator(language="pl")
    with django_capture_on_commit_callbacks(execute=True):
        services.report(video, None, "a", Reason.SPAM)
    assert mail.outbox[0].subject == "AuraVideo: Zgłoszono klip"


def test_who_is_no_moderator_any_more_is_not_told(video, moderator):
    moderator.user_permissions.clear()
    alerts.write(moderator.pk, str(video.pk), "", is_hidden=True)
    assert mail.outbox == []
