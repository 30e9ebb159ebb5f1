"""Each action is done once, recorded in the history, and announced to the user concerned and nobody else."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from gallery import lifecycle as gallery
from gallery.models import Act, ModerationAction, Reason, Report, ReportState, Video, Visibility
from gallery.moderation import selectors, services, standing
from tests.factories import ReportFactory, UserFactory, VideoFactory, a_known_user, a_moderator

pytestmark = pytest.mark.django_db

WHY = "It shows somebody who did not agree"


@pytest.fixture(autouse=True)
def _letters(letters_written):
    """Send emails immediately."""


@pytest.fixture
def moderator():
    return a_moderator()


@pytest.fixture
def video():
    return VideoFactory(visibility=Visibility.PUBLIC, published_at=timezone.now())


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """Run on-commit callbacks at the end of the block."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def line() -> ModerationAction:
    return ModerationAction.objects.get()


def states(video) -> list[str]:
    return sorted(video.reports.values_list("state", flat=True))


# --- Reports ----------------------------------------------------------------------------------------------------------


def test_a_second_report_of_the_same_person_is_known_already(video, user):
    assert services.report(video, user, "k", Reason.SPAM, "again and again")
    assert not services.report(video, user, "other", Reason.HATE)
    assert services.report(video, None, "v", Reason.HATE)
    assert not services.report(video, None, "v", Reason.OTHER)
    assert Report.objects.count() == 2


def test_when_a_report_was_answered_the_same_person_can_report_again(video, user, moderator):
    services.report(video, user, "k", Reason.SPAM)
    services.dismiss(moderator, video, "")
    assert services.report(video, user, "k", Reason.SPAM)


def test_enough_different_people_hide_a_video_until_somebody_has_looked(video, settings, committed):
    settings.AUTO_HIDE_REPORTS = 3
    for key in ("a", "b"):
        services.report(video, a_known_user(), key, Reason.SPAM)
    assert Video.objects.listed().exists()
    with committed():
        services.report(video, a_known_user(), "c", Reason.SPAM)
    assert not Video.objects.listed().exists()
    assert (line().act, line().actor, line().person) == (Act.AUTO_HIDE, None, video.user)
    assert mail.outbox[0].to == [video.user.email]
    assert states(video) == ["open"] * 3


def test_one_person_who_signs_out_and_reports_again_counts_once(video):
    services.report(video, a_known_user(), "home", Reason.SPAM)
    services.report(video, None, "home", Reason.SPAM)
    assert standing.is_enough(video, 1)
    assert not standing.is_enough(video, 1.1)


def test_accounts_that_share_an_address_count_once(video, settings):
    settings.AUTO_HIDE_REPORTS = 2
    for _ in range(5):
        services.report(video, a_known_user(), "home", Reason.SPAM)
    assert Video.objects.listed().exists()
    services.report(video, a_known_user(), "elsewhere", Reason.SPAM)
    assert not Video.objects.listed().exists()


def test_zero_turns_automatic_hiding_off(video, settings):
    settings.AUTO_HIDE_REPORTS = 0
    for key in "abcdefgh":
        services.report(video, a_known_user(), key, Reason.SPAM)
    assert Video.objects.listed().exists()


@pytest.mark.parametrize("answer", [services.dismiss, services.restore])
def test_reports_do_not_hide_a_reviewed_video_again(video, settings, moderator, answer):
    settings.AUTO_HIDE_REPORTS = 1
    services.report(video, a_known_user(), "a", Reason.SPAM)
    assert not Video.objects.listed().exists()
    answer(moderator, video, "")
    assert Video.objects.listed().exists()
    services.report(video, a_known_user(), "b", Reason.SPAM)
    assert Video.objects.listed().exists()
    assert selectors.open_reports(video).count() == 1


def test_dismissing_answers_every_open_report_and_tells_the_owner_nothing(video, moderator, committed):
    ReportFactory.create_batch(2, video=video)
    with committed():
        assert services.dismiss(moderator, video, "fine") == 2
        assert services.dismiss(moderator, video, "fine") == 0
    assert states(video) == ["dismissed"] * 2
    assert Report.objects.first().handled_by == moderator
    assert (line().act, line().person, line().reason) == (Act.DISMISS, None, "fine")
    assert mail.outbox == []


def test_dismissing_does_not_restore_a_video_hidden_by_a_moderator(video, moderator):
    services.hide(moderator, video, WHY)
    ReportFactory(video=video)
    services.dismiss(moderator, video, "")
    assert not Video.objects.listed().exists()


# --- Hide, restore, delete --------------------------------------------------------------------------------------------


def test_a_hidden_video_is_shown_to_nobody_and_its_owner_reads_why(video, moderator, committed):
    report = ReportFactory(video=video)
    with committed():
        assert services.hide(moderator, video, WHY)
        assert not services.hide(UserFactory(), video, "later")
    video.refresh_from_db()
    report.refresh_from_db()
    assert video.hidden_at is not None
    assert not Video.objects.listed().exists()
    assert (report.state, report.handled_by) == (ReportState.UPHELD, moderator)
    assert (line().act, line().actor, line().person, line().reason) == (Act.HIDE, moderator, video.user, WHY)
    assert selectors.hiding_of(video) == line()
    (letter,) = mail.outbox
    assert letter.subject == "AuraVideo: Your clip is hidden"
    assert WHY in letter.body
    assert video.title in letter.body
    assert video.user.username in letter.body
    assert User.objects.get(pk=video.user_id).unread_notices == 1


def test_restored_it_is_shown_again(video, moderator):
    services.hide(moderator, video, WHY)
    assert services.restore(moderator, video, "a mistake")
    assert not services.restore(moderator, video, "twice")
    assert Video.objects.listed().get() == video
    assert list(ModerationAction.objects.values_list("act", flat=True)) == [Act.RESTORE, Act.HIDE]


def test_hiding_a_video_hidden_by_reports_outlasts_dismissing_later_ones(video, moderator, settings):
    settings.AUTO_HIDE_REPORTS = 1
    services.report(video, a_known_user(), "a", Reason.SPAM)
    assert services.hide(moderator, video, WHY)
    assert states(video) == ["upheld"]
    assert selectors.hiding_of(Video.objects.get()).reason == WHY
    ReportFactory(video=video)
    services.dismiss(moderator, video, "")
    assert not Video.objects.listed().exists()


def test_deleting_leaves_the_history(video, moderator, committed):
    title, owner = video.title, video.user
    with committed():
        assert services.delete(moderator, video, WHY)
    assert not Video.objects.kept().exists()
    action = line()
    assert (action.act, action.video_title, action.person, action.reason) == (Act.DELETE, title, owner, WHY)
    assert mail.outbox[0].subject == "AuraVideo: Your clip was deleted"
    with committed():
        assert not services.delete(moderator, video, WHY)
    assert ModerationAction.objects.count() == 1


def test_a_deleted_video_and_its_files_cannot_be_restored_by_the_owner(video, moderator):
    for file in video.files:
        file.storage.save(file.name, ContentFile(b"bytes"))
    services.delete(moderator, video, WHY)
    assert gallery.restore(Video.objects.filter(pk=video.pk)) == 0
    assert not Video.objects.kept().exists()
    assert gallery.purge_trash()
    assert not Video.objects.exists()
    assert [file.name for file in video.files if file.storage.exists(file.name)] == []
    assert (line().video, line().video_title) == (None, video.title)


# --- People -----------------------------------------------------------------------------------------------------------


def test_a_warning_sends_a_notice_and_an_email_and_closes_the_reports(video, moderator, committed):
    ReportFactory(video=video)
    with committed():
        assert services.warn(moderator, video.user, WHY, video)
    assert states(video) == ["upheld"]
    assert (line().act, line().video, line().person) == (Act.WARN, video, video.user)
    assert WHY in mail.outbox[0].body
    assert Video.objects.listed().exists()


def test_suspending_and_its_end_are_told(video, moderator, committed):
    until = timezone.now() + timedelta(days=3)
    with committed():
        assert services.suspend(moderator, video.user, until, WHY, video)
    person = User.objects.get(pk=video.user_id)
    assert (person.is_suspended, person.suspension_reason) == (True, WHY)
    assert f"{until:%Y}" in mail.outbox[0].body
    assert WHY in mail.outbox[0].body
    with committed():
        assert services.unsuspend(moderator, person, "enough")
        assert not services.unsuspend(moderator, person, "enough")
    assert [letter.subject for letter in mail.outbox][1:] == ["AuraVideo: Your account is open again"]
    assert list(ModerationAction.objects.values_list("act", flat=True)) == [Act.UNSUSPEND, Act.SUSPEND]


def test_an_expired_suspension_is_recorded_without_an_actor_and_emailed(user, moderator, committed):
    services.suspend(moderator, user, timezone.now() - timedelta(seconds=1), WHY)
    with committed():
        assert accounts.end_suspensions() == 1
    newest = ModerationAction.objects.first()
    assert (newest.act, newest.actor, newest.person) == (Act.UNSUSPEND, None, user)
    assert [letter.subject for letter in mail.outbox] == ["AuraVideo: Your account is open again"]


def test_restoring_a_visible_video_records_a_dismissal(video, moderator, settings):
    settings.AUTO_HIDE_REPORTS = 2
    services.report(video, a_known_user(), "a", Reason.SPAM)
    assert services.restore(moderator, video, WHY)
    assert (line().act, line().actor, states(video)) == (Act.DISMISS, moderator, ["dismissed"])
    assert not services.restore(moderator, video, WHY)
    for key in "bcd":
        services.report(video, a_known_user(), key, Reason.SPAM)
    assert Video.objects.listed().exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.parametrize("name", ["dismiss", "hide", "restore", "delete", "warn", "suspend"])
def test_every_act_locks_the_video_before_its_reports(video, moderator, name):
    ReportFactory(video=video)
    more = {
        "warn": {"person": video.user, "video": video},
        "suspend": {"person": video.user, "video": video, "until": None},
    }
    with CaptureQueriesContext(connection) as asked:
        getattr(services, name)(moderator, why=WHY, **more.get(name, {"video": video}))
    sql = [query["sql"] for query in asked if "gallery_" in query["sql"]]
    locked = next(n for n, text in enumerate(sql) if "FOR UPDATE" in text and 'FROM "gallery_video"' in text)
    written = next(n for n, text in enumerate(sql) if text.startswith('UPDATE "gallery_report"'))
    assert locked < written


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_pick_locks_the_owner_before_the_video_as_the_trash_does(video, moderator):
    """It counts a notice for the owner after it has written the video: the other way round from the trash."""
    with CaptureQueriesContext(connection) as asked:
        assert services.pick(moderator, video)
    sql = [query["sql"] for query in asked]
    locked = next(n for n, text in enumerate(sql) if "FOR NO KEY UPDATE" in text and 'FROM "accounts_user"' in text)
    assert locked < next(n for n, text in enumerate(sql) if text.startswith('UPDATE "gallery_video"'))


def test_ending_a_suspension_takes_the_right_to_suspend(moderator):
    admin, another = UserFactory(is_staff=True, is_superuser=True), a_moderator()
    assert services.suspend(admin, another, None, WHY)
    assert not services.unsuspend(moderator, User.objects.get(pk=another.pk), WHY)
    assert services.unsuspend(admin, User.objects.get(pk=another.pk), WHY)


def test_nobody_can_suspend_themselves_and_moderators_cannot_suspend_staff(moderator):
    admin, another = UserFactory(is_staff=True, is_superuser=True), a_moderator()
    for actor, person in ((moderator, moderator), (moderator, admin), (moderator, another), (admin, admin)):
        assert not services.suspend(actor, person, None, WHY)
    assert not ModerationAction.objects.exists()
    assert services.suspend(admin, another, None, WHY)


# --- Picks ------------------------------------------------------------------------------------------------------------


def test_only_public_videos_can_be_picked(video, moderator):
    assert services.pick(moderator, video)
    assert not services.pick(moderator, video)
    assert not services.pick(moderator, VideoFactory())
    assert services.unpick(moderator, video)
    assert not services.unpick(moderator, video)
    assert list(ModerationAction.objects.values_list("act", "person")) == [
        (Act.UNPICK, None),
        (Act.PICK, video.user_id),
    ]


# --- Notices ----------------------------------------------------------------------------------------------------------


def test_reading_notices_counts_what_is_left(user, moderator):
    for _ in range(3):
        services.warn(moderator, user, WHY)
    first, *_others = selectors.notices_of(user)
    services.mark_seen(user, [first])
    assert User.objects.get(pk=user.pk).unread_notices == user.unread_notices == 2
    services.mark_seen(user, selectors.notices_of(user))
    assert User.objects.get(pk=user.pk).unread_notices == 0
