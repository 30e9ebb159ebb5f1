"""What is left of the reports on a clip that is gone: what was decided, for a year, and nothing of the clip."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from auravideo.celery import app
from gallery import lifecycle
from gallery.models import PastReport, Reason, Report, ReportState, Video
from gallery.moderation import services, standing
from gallery.pruning import run
from tests.factories import ReportFactory, UserFactory, VideoFactory, a_known_user, a_moderator
from tests.gallery.moderation.test_personal_data import handed_out
from tests.persons import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sent(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_args, **_options: None)


@pytest.fixture
def offender():
    return UserFactory(username="otto")


def a_clip_gone(owner, reporter=None, decide=None, reason=Reason.HATE):
    """Return a clip that was reported, decided about if so, and deleted by its owner."""
    video = VideoFactory(user=owner, title="a very private title", prompt="a very private prompt")
    services.report(video, reporter, "key", reason, "a very private note")
    if decide:
        decide(a_moderator(username="mo"), video, "because")
    lifecycle.purge(Video.objects.get(pk=video.pk))
    assert not Report.objects.filter(video_id=video.pk).exists()
    return video


def test_a_clip_that_is_gone_leaves_what_was_decided_and_nothing_of_its_content(offender):
    reporter = a_known_user()
    a_clip_gone(offender, reporter, services.hide)
    past = PastReport.objects.get()
    assert (past.person, past.reporter, past.reason, past.state) == (offender, reporter, "hate", ReportState.UPHELD)
    assert past.created_at <= past.handled_at <= past.gone_at
    assert "private" not in json.dumps(list(PastReport.objects.values()), default=str)


def test_a_clip_that_its_owner_deletes_before_anybody_decides_leaves_a_trace(offender):
    a_clip_gone(offender)
    assert PastReport.objects.get().state == ReportState.OPEN


def test_a_clip_that_nobody_reported_leaves_none(offender):
    lifecycle.purge(VideoFactory(user=offender))
    assert not PastReport.objects.exists()


def test_reports_that_count_for_nothing_do_not_stick_to_an_account(offender):
    """Somebody reports all clips of a user at once, who deletes them some day."""
    videos = [VideoFactory(user=offender) for _ in range(10)]
    for video in videos:
        services.report(video, None, "one address", Reason.HATE)
    for video in videos:
        lifecycle.purge(video)
    assert PastReport.objects.count() == standing.AT_ONCE


def test_deleting_the_reported_clip_saves_no_reporter_from_a_dismissal(offender):
    reporter = a_known_user()
    a_clip_gone(offender, reporter, services.dismiss)
    assert standing.standing_of(reporter, "key") == standing.Standing(upheld=0, dismissed=1)
    assert standing.weight_of(reporter, "key") == pytest.approx(2 / 3)


def test_and_takes_nobody_the_credit_of_having_been_right(offender):
    reporter = a_known_user()
    ReportFactory(reporter=reporter, state=ReportState.DISMISSED, handled_at=timezone.now())
    a_clip_gone(offender, reporter, services.hide)
    assert standing.standing_of(reporter, "key") == standing.Standing(upheld=1, dismissed=1)


def test_visitors_keep_the_past_of_their_address(offender):
    a_clip_gone(offender, None, services.dismiss)
    assert standing.standing_of(None, "key").dismissed == 1


def test_moderators_see_it_at_the_account(client, offender):
    a_clip_gone(offender, None, services.hide)
    a_clip_gone(offender, None, None, Reason.SPAM)
    ReportFactory(video__user=offender, reason=Reason.SPAM)
    sign_in(client, a_moderator(username="zofia"))
    page = client.get(reverse("admin:accounts_user_change", args=[offender.pk])).content.decode()
    rows = [" ".join(row.split()) for row in page.split("<tr>")]
    assert any("Hate or harassment</th> <td>1</td> <td>0</td> <td>0</td> <td>1</td>" in row for row in rows), rows
    assert any("Advertising or spam</th> <td>0</td> <td>0</td> <td>2</td> <td>1</td>" in row for row in rows), rows


def test_they_see_how_a_persons_own_reports_fared(client, offender):
    reporter = a_known_user()
    a_clip_gone(offender, reporter, services.dismiss)
    ReportFactory(reporter=reporter)
    sign_in(client, a_moderator(username="zofia"))
    page = client.get(reverse("admin:accounts_user_change", args=[reporter.pk])).content.decode()
    assert "2 in all; upheld: 0, dismissed: 1" in page


def test_nobody_else_sees_it(client, offender):
    a_clip_gone(offender, None, services.hide)
    client.force_login(offender)
    assert client.get(reverse("admin:accounts_user_change", args=[offender.pk])).status_code in (302, 403, 404)


def test_it_is_forgotten_a_year_after_the_clip(offender):
    a_clip_gone(offender)
    PastReport.objects.update(gone_at=timezone.now() - timedelta(days=364))
    run.prune()
    assert PastReport.objects.exists()
    PastReport.objects.update(gone_at=timezone.now() - timedelta(days=366))
    run.prune()
    assert not PastReport.objects.exists()


def test_both_sides_find_it_in_their_export_without_each_other(offender):
    reporter = a_known_user(username="rita")
    a_clip_gone(offender, reporter, services.hide)
    theirs, mine = handed_out(reporter), handed_out(offender)
    assert [row["state"] for row in theirs["past_reports.json"]] == ["upheld"]
    assert [row["state"] for row in mine["past_reports_of_clips.json"]] == ["upheld"]
    assert "rita" not in json.dumps(mine)
    assert "otto" not in json.dumps(theirs)


@pytest.mark.parametrize("decide", [None, services.dismiss])
def test_nobody_learns_by_deleting_a_clip_who_must_have_reported_it(offender, decide):
    """Somebody sends a link to one person, deletes the clip, and looks whether there is a report more than before."""
    reporter = a_known_user(username="rita")
    a_clip_gone(offender, reporter, decide)
    assert "past_reports_of_clips.json" not in handed_out(offender)
    assert handed_out(reporter)["past_reports.json"]


def test_a_closed_account_leaves_its_reporters_their_standing_and_names_nobody(offender):
    reporter, video = a_known_user(), VideoFactory(user=offender)
    services.report(video, reporter, "key", Reason.HATE)
    services.dismiss(a_moderator(), video, "fine")
    accounts.request_deletion(offender)
    assert accounts.settle(offender.pk)
    past = PastReport.objects.get()
    assert (past.person, past.reporter) == (None, reporter)
    assert standing.standing_of(reporter, "key").dismissed == 1
    accounts.request_deletion(reporter)
    assert accounts.settle(reporter.pk)
    assert PastReport.objects.get().reporter is None
