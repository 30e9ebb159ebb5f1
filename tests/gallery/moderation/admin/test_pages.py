"""The pages of one clip, report or user: the reports they show, and the decisions they offer."""

import re

import pytest

from accounts import services as accounts
from gallery.models import Report
from gallery.moderation import decisions, services
from tests.factories import ReportFactory, UserFactory, a_known_user, a_moderator
from tests.gallery.moderation.admin.pages import (
    PEOPLE,
    QUEUE,
    VIDEOS,
    WHY,
    a_public_video,
    act,
    asked,
    page_of,
    texts,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("decision", [decisions.DELETE, decisions.WARN, decisions.SUSPEND], ids=lambda one: one.name)
def test_the_decision_page_shows_the_reports_and_their_reporters(signed_in, moderator, decision):
    report = ReportFactory(video=a_public_video(title="A cat"), note="It is <mine>.", reporter=UserFactory())
    answered = ReportFactory(video=report.video, note="Long ago.")
    Report.objects.filter(pk=answered.pk).update(state="dismissed")
    ReportFactory(note="Of another video.")
    page = asked(signed_in, QUEUE, decision, report)
    for text in ("A cat", "It is &lt;mine&gt;.", report.get_reason_display(), report.reporter.username):
        assert text in page
    for row in (report.video, report.video.user, report.reporter):
        assert f'href="{page_of(row)}"' in page
    assert "Long ago." not in page
    assert "Of another video." not in page


def test_deciding_about_a_user_shows_reports_on_all_their_videos(signed_in, user):
    for title in ("A cat", "A dog"):
        ReportFactory(video=a_public_video(user=user, title=title), note=f"{title} that is mine.")
    page = asked(signed_in, PEOPLE, decisions.SUSPEND, user)
    for text in ("A cat that is mine.", "A dog that is mine.", f'href="{page_of(user)}"'):
        assert text in page
    assert "No open reports." in asked(signed_in, PEOPLE, decisions.SUSPEND, UserFactory())


def test_the_newest_reports_are_shown_and_the_rest_counted(signed_in, report):
    for number in range(decisions.REPORTS_SHOWN + 1):
        ReportFactory(video=report.video, note=f"note {number}")
    page = asked(signed_in, QUEUE, decisions.HIDE, report)
    assert re.findall(r"note (\d)", page) == ["5", "4", "3", "2", "1"]
    assert "and 2 more reports" in page


@pytest.mark.parametrize("decision", [decisions.HIDE, decisions.SUSPEND], ids=lambda one: one.name)
def test_showing_reports_costs_no_query_per_row(signed_in, report, decision, django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as few:
        asked(signed_in, QUEUE, decision, report)
    others = [ReportFactory(video=a_public_video(), reporter=UserFactory()) for _n in range(4)]
    with django_assert_max_num_queries(len(few)):
        page = asked(signed_in, QUEUE, decision, report, *others)
    assert page.count('class="complaint"') == 5


def test_list_actions_are_available_on_the_object_page(signed_in, moderator, report):
    services.dismiss(moderator, report.video, "")
    page = signed_in.get(page_of(report)).content.decode()
    assert f'action="{QUEUE}?state=all"' in page
    assert 'value="suspend"' in page
    person = signed_in.get(page_of(report.video.user)).content.decode()
    assert f'action="{PEOPLE}"' in person
    assert 'value="suspend"' in person


def offered(client, row) -> set[str]:
    """Return the names of the decisions offered on a single object's page."""
    page = client.get(page_of(row)).content.decode()
    return set(re.findall(r'name="action" value="(\w+)"', page))


def test_a_video_page_offers_only_effective_decisions(signed_in, moderator):
    video = a_public_video()
    assert offered(signed_in, video) == {"hide", "pick", "remove", "warn"}
    services.pick(moderator, video)
    assert offered(signed_in, video) == {"hide", "unpick", "remove", "warn"}
    services.unpick(moderator, video)
    services.hide(moderator, video, WHY)
    assert offered(signed_in, video) == {"restore", "remove", "warn"}
    services.delete(moderator, video, WHY)
    assert "remove" not in offered(signed_in, video)


def test_a_video_with_open_reports_can_be_left_as_it_is_from_its_page(signed_in, moderator, report):
    assert offered(signed_in, report.video) == {"dismiss", "hide", "pick", "remove", "warn"}
    assert texts(act(signed_in, VIDEOS, decisions.DISMISS, report.video)) == ["Reports on 1 clip were dismissed."]
    assert "dismiss" not in offered(signed_in, report.video)


def test_a_video_hidden_by_reports_can_be_hidden_by_a_moderator_or_restored(signed_in, settings):
    settings.AUTO_HIDE_REPORTS = 1
    video = a_public_video()
    services.report(video, a_known_user(), "a visitor", "spam")
    assert {"hide", "restore", "dismiss"} <= offered(signed_in, video)


def test_a_report_page_offers_only_effective_decisions(signed_in, moderator, report):
    assert offered(signed_in, report) == {"dismiss", "hide", "remove", "warn", "suspend"}
    services.hide(moderator, report.video, WHY)
    assert offered(signed_in, report) == {"restore", "remove", "warn", "suspend"}


def test_a_user_page_offers_only_effective_decisions(signed_in, moderator, user):
    assert offered(signed_in, user) == {"warn", "suspend"}
    services.suspend(moderator, user, None, WHY)
    assert offered(signed_in, user) == {"warn", "suspend", "unsuspend"}  # suspending again changes the end
    assert offered(signed_in, moderator) == offered(signed_in, a_moderator()) == {"warn"}
    accounts.request_deletion(user)
    assert offered(signed_in, user) == set()
    assert offered(signed_in, UserFactory(is_active=False)) == {"warn"}


def test_irreversible_decisions_are_styled_as_warnings(signed_in, report):
    page = signed_in.get(page_of(report)).content.decode()
    assert re.findall(r'class="button deletelink">([^<]+)<', page) == ["Delete forever"]
    assert 'class="default deletelink"' in asked(signed_in, QUEUE, decisions.DELETE, report)
    assert "deletelink" not in asked(signed_in, QUEUE, decisions.HIDE, report)


def test_a_report_is_called_by_its_reason_and_the_title_of_its_video(signed_in, report):
    page = signed_in.get(page_of(report)).content.decode()
    assert f"<title>Advertising or spam: {report.video.title} |" in page
    assert str(report.video_id) not in re.search(r"<title>(.*)</title>", page)[1]
