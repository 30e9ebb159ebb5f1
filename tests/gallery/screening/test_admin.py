"""The rule in the admin, and how moderators see what it held back."""

import pytest
from django.urls import reverse
from django.utils import timezone

from gallery.models import Act, SafetyRule, Screened, Screening, Video, Visibility
from gallery.moderation import alerts
from gallery.sharing import safety
from tests.factories import ReportFactory, UserFactory, VideoFactory, a_moderator, staff_with
from tests.gallery.screening.conftest import scored

pytestmark = pytest.mark.django_db

RULE = reverse("admin:gallery_safetyrule_change", args=[1])
OVERVIEW = reverse("admin-overview")


@pytest.fixture
def admin(client):
    SafetyRule().save()
    client.force_login(UserFactory(is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def moderator(client):
    client.force_login(a_moderator())
    return client


def save(client, **fields):
    values = {"strictness": "balanced", "own_threshold": "0.7", **fields}
    return client.post(RULE, values, follow=True)


def decide(client, action: str, video: Video, why: str = "I looked"):
    values = {"action": action, "_selected_action": [video.pk], "why": why, "decided": "yes"}
    return client.post(reverse("admin:gallery_video_changelist"), values, follow=True)


# --- The rule ---------------------------------------------------------------------------------------------------------


def test_a_saved_rule_is_applied_by_a_worker(admin, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        save(admin, is_on="on", strictness="own", own_threshold="0.25")
    assert SafetyRule.current().threshold == 0.25
    assert sent == [(safety.APPLY_TASK,)]


@pytest.mark.parametrize("value", ["0", "1.5", "-1", "nan", "inf", "much", ""])
def test_an_impossible_threshold_is_refused(admin, sent, value):
    save(admin, is_on="on", strictness="own", own_threshold=value)
    assert SafetyRule.current().threshold == 0.7


def test_switched_off_and_on_again_what_was_shared_meanwhile_stays_visible(admin, sent):
    save(admin)
    assert not SafetyRule.current().is_on
    video = VideoFactory(public=True, screening=Screened.UNSEEN)
    save(admin, is_on="on")
    assert Video.objects.shown().filter(pk=video.pk, screening=Screened.EARLIER).exists()


def test_saving_without_a_switch_leaves_what_waits_to_be_checked(admin, sent):
    video = VideoFactory(public=True, screening=Screened.UNSEEN)
    save(admin, is_on="on", strictness="strict")
    assert Video.objects.get(pk=video.pk).screening == Screened.UNSEEN


def test_only_administrators_open_the_rule(client):
    SafetyRule().save()
    client.force_login(staff_with("moderate"))
    assert client.get(RULE).status_code == 403
    assert client.post(RULE, {"strictness": "own", "own_threshold": "1"}).status_code == 403


# --- What waits -------------------------------------------------------------------------------------------------------


def test_what_waits_is_in_a_list_of_its_own_that_the_overview_leads_to(moderator):
    waiting, _passed = scored(0.9, Screened.FLAGGED), scored(0.1, Screened.PASSED)
    page = moderator.get(OVERVIEW).content.decode()
    assert f'<a href="{alerts.waiting_list()}">1</a>' in page
    rows = moderator.get(alerts.waiting_list()).context["cl"].result_list
    assert [row.pk for row in rows] == [waiting.pk]


def test_the_overview_says_why_checks_fail(moderator):
    video, now = VideoFactory(public=True, screening=Screened.UNSEEN), timezone.now()
    Screening.objects.create(video=video, asked_at=now, sent_at=now, tried_at=now, problem=Screening.Problem.MISSING)
    page = moderator.get(OVERVIEW).content.decode()
    assert "1 clip is still to be checked." in page
    assert "the check is not installed where the worker runs" in page
    SafetyRule(is_on=False).save()
    assert "The safety check is off" in moderator.get(OVERVIEW).content.decode()


@pytest.mark.parametrize(("state", "covered"), [("flagged", True), ("refused", True), ("approved", False)])
def test_it_is_covered_wherever_staff_come_across_it(moderator, state, covered):
    video = scored(0.9, Screened(state))
    ReportFactory(video=video)
    page = moderator.get(reverse("admin:gallery_video_change", args=[video.pk])).content.decode()
    assert ("<details" in page and 'class="moderation-clip covered"' in page) is covered
    queue = moderator.get(reverse("admin:gallery_report_changelist")).content.decode()
    assert ('class="moderation-clip covered"' in queue) is covered
    rows = moderator.get(reverse("admin:gallery_video_changelist")).content.decode()
    assert ('class="moderation-thumb covered"' in rows) is covered
    values = {"action": "hide", "_selected_action": [video.pk]}
    asked = moderator.post(reverse("admin:gallery_video_changelist"), values).content.decode()
    assert ('class="moderation-thumb covered"' in asked) is covered


def test_its_page_shows_the_scores(moderator):
    video = scored(0.93, Screened.FLAGGED)
    page = moderator.get(reverse("admin:gallery_video_change", args=[video.pk])).content.decode()
    assert "Highest score 0.93; clips wait for a moderator from 0.70." in page
    assert "at 0.00 s" in page


def test_approved_or_not_its_owner_reads_it(moderator):
    approved, refused = scored(0.9, Screened.FLAGGED), scored(0.9, Screened.FLAGGED)
    decide(moderator, "approve", approved, why="")
    decide(moderator, "refuse", refused, why="Not here, please")
    for video, act, state in ((approved, Act.APPROVE, "approved"), (refused, Act.REFUSE, "refused")):
        assert Video.objects.get(pk=video.pk).screening == state
        assert video.moderation_actions.get().act == act
        assert video.moderation_actions.get().actor is not None
    assert refused.moderation_actions.get().reason == "Not here, please"


def test_a_refusal_needs_a_reason(moderator):
    video = scored(0.9, Screened.FLAGGED)
    decide(moderator, "refuse", video, why="")
    assert Video.objects.get(pk=video.pk).screening == Screened.FLAGGED


def test_somebody_who_may_only_pick_does_not_see_what_waits(client):
    waiting = scored(0.9, Screened.FLAGGED, visibility=Visibility.PUBLIC)
    client.force_login(staff_with("pick"))
    assert not list(client.get(reverse("admin:gallery_video_changelist")).context["cl"].result_list)
    assert client.get(reverse("gallery:poster", args=[waiting.pk])).status_code == 404
