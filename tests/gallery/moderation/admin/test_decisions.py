"""Decisions of moderators in the administration: reasons, what they do to whom, and notes."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from gallery.models import Act, ModerationAction, Report, Video
from gallery.moderation import decisions, services
from tests.factories import ReportFactory, VideoFactory, a_known_user, a_moderator
from tests.gallery.moderation.admin.pages import (
    PEOPLE,
    QUEUE,
    VIDEOS,
    WHY,
    a_public_video,
    act,
    texts,
)

pytestmark = pytest.mark.django_db
PRIVATE = [each for each in vars(decisions).values() if getattr(each, "form", None) is decisions.NoteForm]


@pytest.mark.parametrize("decision", PRIVATE, ids=lambda decision: decision.name)
@pytest.mark.parametrize("is_hidden_by_reports", [False, True])
def test_a_note_for_the_history_is_never_told_to_the_owner(signed_in, report, decision, is_hidden_by_reports, settings):
    if is_hidden_by_reports:
        settings.AUTO_HIDE_REPORTS = 2
        for key in ("one", "another"):
            services.report(report.video, a_known_user(), key, "spam")
    elif decision is decisions.UNPICK:
        services.pick(report.video.user, report.video)
    act(signed_in, VIDEOS, decision, report.video)
    signed_in.force_login(report.video.user)
    assert WHY not in signed_in.get(reverse("gallery:notices")).content.decode()


def test_a_pick_needs_no_reason_and_its_owner_reads_one(signed_in, report):
    form = decisions.PICK.form({"why": ""})
    assert form.is_valid()
    assert "The user will read this" in str(form.fields["why"].help_text)
    act(signed_in, VIDEOS, decisions.PICK, report.video)
    signed_in.force_login(report.video.user)
    assert WHY in signed_in.get(reverse("gallery:notices")).content.decode()


@pytest.mark.parametrize(
    "decision",
    [
        decisions.DISMISS,
        decisions.HIDE,
        decisions.RESTORE,
        decisions.DELETE,
        decisions.WARN,
        decisions.SUSPEND,
    ],
    ids=lambda decision: decision.name,
)
def test_a_reason_is_asked_for_before_anything_happens(signed_in, report, decision):
    response = signed_in.post(QUEUE, {"action": decision.name, "_selected_action": [report.pk]})
    page = response.content.decode()
    assert response.status_code == 200
    assert str(decision.meaning) in page
    assert report.video.user.username in page
    assert not ModerationAction.objects.exists()
    assert Report.objects.get().state == "open"


@pytest.mark.parametrize("decision", [decisions.HIDE, decisions.DELETE, decisions.WARN, decisions.SUSPEND])
def test_without_a_reason_nothing_happens_to_anybody(signed_in, report, decision):
    for why in ("", "x" * 1001):
        response = act(signed_in, QUEUE, decision, report, why=why)
        assert response.context["form"].errors["why"]
    assert not ModerationAction.objects.exists()


def test_many_are_hidden_at_once_and_the_list_says_how_many(signed_in, moderator, report):
    second, other = ReportFactory(video=report.video), ReportFactory(video=a_public_video())
    response = act(signed_in, QUEUE, decisions.HIDE, report, second, other)
    assert texts(response) == ["2 clips were hidden."]
    assert Video.objects.filter(hidden_at__isnull=False).count() == 2
    assert set(Report.objects.values_list("state", "handled_by")) == {("upheld", moderator.pk)}
    assert set(ModerationAction.objects.values_list("act", "actor", "reason")) == {(Act.HIDE, moderator.pk, WHY)}


def test_rows_left_unchanged_are_reported_too(signed_in, moderator, report):
    services.hide(moderator, report.video, WHY)
    response = act(signed_in, f"{QUEUE}?state=all", decisions.HIDE, report)
    assert texts(response) == ["1 was left unchanged: nothing to change, or already gone."]
    assert texts(act(signed_in, f"{QUEUE}?state=all", decisions.RESTORE, report)) == ["1 clip may be shown again."]


def test_dismissing_needs_no_reason(signed_in, report):
    assert texts(act(signed_in, QUEUE, decisions.DISMISS, report, why="")) == ["Reports on 1 clip were dismissed."]


def test_deleting_from_the_queue(signed_in, report):
    assert texts(act(signed_in, QUEUE, decisions.DELETE, report)) == ["1 clip was deleted."]
    assert not Video.objects.kept().exists()


def test_warnings_are_per_video_and_suspensions_per_user(signed_in, report):
    other = ReportFactory(video=a_public_video(user=report.video.user))
    assert texts(act(signed_in, QUEUE, decisions.WARN, report, other)) == ["2 warnings were sent."]
    third, fourth = ReportFactory(video=report.video), ReportFactory(video=other.video)
    response = act(signed_in, QUEUE, decisions.SUSPEND, third, fourth, days="7")
    assert texts(response) == ["1 user was suspended."]
    assert ModerationAction.objects.filter(act=Act.SUSPEND).count() == 1


@pytest.mark.parametrize(("days", "seconds"), [("1", 86400), ("90", 90 * 86400), ("", None)])
def test_a_suspension_is_as_long_as_was_chosen(signed_in, report, days, seconds):
    act(signed_in, QUEUE, decisions.SUSPEND, report, days=days)
    person = User.objects.get(pk=report.video.user_id)
    assert person.is_suspended
    if seconds is None:
        assert person.suspended_until is None
    else:
        assert abs((person.suspended_until - timezone.now()).total_seconds() - seconds) < 60


@pytest.mark.parametrize("days", ["0", "-1", "5", "forever"])
def test_an_invalid_duration_suspends_nobody(signed_in, report, days):
    assert act(signed_in, QUEUE, decisions.SUSPEND, report, days=days).context["form"].errors["days"]
    assert User.objects.get(pk=report.video.user_id).is_active


def test_a_moderator_cannot_suspend_other_staff_and_is_told(signed_in, moderator):
    reports = [ReportFactory(video=a_public_video(user=user)) for user in (moderator, a_moderator())]
    (text,) = texts(act(signed_in, QUEUE, decisions.SUSPEND, *reports, days="7"))
    assert text.startswith("2 were not suspended")
    assert not User.objects.filter(is_active=False).exists()


def test_too_many_at_once_are_refused(signed_in, monkeypatch, report):
    monkeypatch.setattr(decisions, "MAX_AT_ONCE", 1)
    other = ReportFactory(video=a_public_video())
    assert texts(act(signed_in, QUEUE, decisions.HIDE, report, other)) == ["Select at most 1 at once."]
    assert not Video.objects.filter(hidden_at__isnull=False).exists()


def test_videos_are_picked_from_their_list(signed_in):
    public, unlisted = a_public_video(), VideoFactory(shared=True)
    response = act(signed_in, VIDEOS, decisions.PICK, public, unlisted, why="")
    assert texts(response)[0] == "1 clip was picked."
    assert "1 was not picked" in texts(response)[1]
    assert texts(act(signed_in, VIDEOS, decisions.UNPICK, public, why="")) == ["1 clip is no longer picked."]


def test_a_suspension_is_ended_from_the_list_of_people(signed_in, moderator, user):
    services.suspend(moderator, user, None, WHY)
    assert texts(act(signed_in, PEOPLE, decisions.UNSUSPEND, user)) == ["1 suspension was ended."]
    assert User.objects.get(pk=user.pk).is_active
