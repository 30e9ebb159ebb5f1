"""Reporting a video, signed in or not, and the notices that the user concerned reads."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from gallery.models import ModerationAction, Report, Visibility
from gallery.moderation import services
from gallery.moderation.views import NOTICES_A_PAGE
from gallery.sharing.places import Place
from tests.factories import UserFactory, VideoFactory, a_known_user, a_moderator

pytestmark = pytest.mark.django_db

DATA = {"reason": "spam", "note": "It sells tulips."}
TOKEN = "t" * 43
BACK = "Back to the clip"


@pytest.fixture
def video():
    return VideoFactory(visibility=Visibility.PUBLIC, published_at=timezone.now())


def address(video) -> str:
    return reverse("gallery:report", args=[video.pk])


# --- Report -----------------------------------------------------------------------------------------------------------


def test_a_visitor_reports_without_signing_in_and_no_address_is_kept(client, video):
    assert video.title in client.get(address(video)).content.decode()
    response = client.post(address(video), DATA, follow=True)
    assert "Thank you" in response.content.decode()
    report = Report.objects.get()
    assert (report.video, report.reporter, report.reason, report.note) == (video, None, "spam", DATA["note"])
    assert len(report.visitor_key) == 32
    assert "127" not in report.visitor_key


def test_the_same_visitor_is_told_that_it_is_known_another_one_is_not(client, video):
    client.post(address(video), DATA)
    assert "Already reported" in client.post(address(video), DATA, follow=True).content.decode()
    client.post(address(video), DATA, REMOTE_ADDR="192.0.2.7")
    assert Report.objects.count() == 2


def test_a_signed_in_user_reports_under_their_name(client, user, video):
    client.force_login(user)
    client.post(address(video), DATA)
    assert Report.objects.get().reporter == user


def test_by_its_link_an_unlisted_video_can_be_reported(client):
    video = VideoFactory(visibility=Visibility.UNLISTED, share_token=TOKEN)
    address = reverse("gallery:report-shared", args=[TOKEN])
    assert "noindex" in client.get(address)["X-Robots-Tag"]
    client.post(address, DATA)
    assert Report.objects.get().video == video


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_can_report_unseen_videos_or_their_own(client, user, video, method):
    client.force_login(user)
    for changes in (
        {"user": user, "visibility": Visibility.PUBLIC, "published_at": timezone.now()},
        {"visibility": Visibility.PRIVATE},
        {"visibility": Visibility.UNLISTED, "share_token": TOKEN},
        {"visibility": Visibility.PUBLIC, "published_at": timezone.now(), "hidden_at": timezone.now()},
        {"visibility": Visibility.PUBLIC, "published_at": timezone.now(), "deleted_at": timezone.now()},
    ):
        assert getattr(client, method)(address(VideoFactory(**changes)), DATA).status_code == 404
    services.suspend(UserFactory(is_superuser=True), video.user, None, "")
    assert getattr(client, method)(address(video), DATA).status_code == 404
    wrong = reverse("gallery:report-shared", args=["no-such-token"])
    assert getattr(client, method)(wrong, DATA).status_code == 404
    assert not Report.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"reason": ""}, {"reason": "boring"}, {"note": "x" * 1001}, {"note": "\x00"}], ids=str
)
def test_errors_are_shown_and_input_is_kept(client, video, changes):
    response = client.post(address(video), DATA | changes)
    assert response.status_code == 200
    assert set(response.context["form"].errors) == set(changes)
    assert not Report.objects.exists()


def test_the_report_that_hides_a_video_is_thanked_for_like_any_other(client, video, settings):
    settings.AUTO_HIDE_REPORTS = 1
    client.force_login(a_known_user())
    response = client.post(address(video), DATA, follow=True)
    assert response.status_code == 200
    assert client.get(address(video)).status_code == 404


@pytest.mark.parametrize("shared", [False, True])
def test_the_report_form_shows_title_owner_and_way_back(client, shared):
    changes = {"visibility": Visibility.UNLISTED, "share_token": TOKEN} if shared else {}
    video = VideoFactory(**{"visibility": Visibility.PUBLIC, "published_at": timezone.now(), **changes})
    User.objects.filter(pk=video.user_id).update(full_name="Dora Dora")
    place = Place.behind(TOKEN) if shared else Place.of(video)
    page = client.get(reverse("gallery:report-shared", args=[TOKEN]) if shared else address(video)).content.decode()
    for text in (f'<img src="{place.thumbnail}"', f'href="{place.page}">Cancel</a>', video.title, "Dora Dora"):
        assert text in page
    assert not shared or str(video.pk) not in page, "behind a link, a page names the other address"


@pytest.mark.parametrize("shared", [False, True])
def test_the_thanks_lead_back_to_where_it_was_watched(client, shared):
    changes = {"visibility": Visibility.UNLISTED, "share_token": TOKEN} if shared else {}
    video = VideoFactory(**{"visibility": Visibility.PUBLIC, "published_at": timezone.now(), **changes})
    place = Place.behind(TOKEN) if shared else Place.of(video)
    for _ in ("thanked", "known"):
        response = client.post(f"{place.page}report/", DATA, follow=True)
        page = response.content.decode()
        assert f'href="{place.page}">{BACK}</a>' in page
        assert f'href="{reverse("gallery:explore")}">Explore</a>' in page
        assert (response["Referrer-Policy"], response["X-Robots-Tag"]) == ("same-origin", "noindex, nofollow")


def test_the_report_that_hides_a_video_leads_back_to_nothing(client, video, settings):
    settings.AUTO_HIDE_REPORTS = 1
    client.force_login(a_known_user())
    page = client.post(address(video), DATA, follow=True).content.decode()
    assert "Thank you" in page
    assert BACK not in page
    assert reverse("gallery:explore") in page


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"video": "nonsense"},
        {"video": "\0"},
        {"video": "00000000-0000-0000-0000-000000000000"},
        {"video": "https://evil.example/"},
        {"share": "no-such-token"},
        {"share": "//evil.example"},
        {"share": "é\0"},
        {"next": "//evil.example"},
    ],
    ids=str,
)
def test_thanks_that_are_opened_by_hand_lead_nowhere_else(client, query):
    page = client.get(reverse("gallery:report-sent"), query).content.decode()
    assert "Thank you" in page
    assert BACK not in page


def test_the_thanks_name_no_video_that_is_not_shown(client):
    for changes in ({}, {"visibility": Visibility.UNLISTED, "share_token": TOKEN}):
        video = VideoFactory(**changes)
        assert BACK not in client.get(reverse("gallery:report-sent"), {"video": video.pk}).content.decode()


def test_flooding_is_answered_with_429_by_address_and_by_account(client, user, settings, video):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"report": "2/h/ip", "report_signed_in": "1/h/user"}
    client.force_login(user)
    assert client.post(address(video), DATA).status_code == 302
    assert client.post(address(video), DATA, REMOTE_ADDR="192.0.2.1").status_code == 429
    client.logout()
    assert client.post(address(video), DATA, REMOTE_ADDR="192.0.2.9").status_code == 302
    assert client.post(address(video), DATA, REMOTE_ADDR="192.0.2.9").status_code == 302
    response = client.post(address(video), DATA, REMOTE_ADDR="192.0.2.9")
    assert response.status_code == 429
    assert "Too many attempts" in response.content.decode()
    assert client.get(address(video), REMOTE_ADDR="192.0.2.9").status_code == 200


# --- Notices ----------------------------------------------------------------------------------------------------------


def test_a_notice_names_action_video_and_reason_and_is_new_once(client, video):
    services.hide(a_moderator(), video, "It shows my neighbour")
    client.force_login(video.user)
    page = client.get(reverse("gallery:library")).content.decode()
    assert "1 unread notice" in page
    page = client.get(reverse("gallery:notices")).content.decode()
    for text in ("Clip hidden", video.title, "It shows my neighbour", reverse("gallery:video", args=[video.pk])):
        assert text in page
    assert page.count('badge--warning">new') == 1
    assert "1 unread notice" not in page
    assert User.objects.get(pk=video.user_id).unread_notices == 0
    assert 'badge--warning">new' not in client.get(reverse("gallery:notices")).content.decode()


def test_the_moderator_is_not_named(client, video):
    moderator = a_moderator(username="grzegorz")
    services.hide(moderator, video, "Why not")
    client.force_login(video.user)
    assert "grzegorz" not in client.get(reverse("gallery:notices")).content.decode()


def test_nobody_reads_anothers_notices(client, user, other_user):
    services.warn(a_moderator(), other_user, "a secret of theirs")
    client.force_login(user)
    assert "a secret of theirs" not in client.get(reverse("gallery:notices")).content.decode()
    assert User.objects.get(pk=other_user.pk).unread_notices == 1


def test_the_line_on_every_page_costs_no_query(client, user, django_assert_max_num_queries):
    client.force_login(user)
    with django_assert_max_num_queries(20) as before:
        client.get(reverse("help"))
    services.warn(a_moderator(), user, "")
    with django_assert_max_num_queries(len(before)):
        assert "1 unread notice" in client.get(reverse("help")).content.decode()


def test_older_notices_are_on_older_pages_and_stay_unread_until_they_are_opened(client, user):
    moderator = a_moderator()
    for number in range(NOTICES_A_PAGE + 1):
        services.warn(moderator, user, f"reason {number}.")
    client.force_login(user)
    first = client.get(reverse("gallery:notices"))
    assert "reason 0." not in first.content.decode()
    assert User.objects.get(pk=user.pk).unread_notices == 1
    older = client.get(f"{reverse('gallery:notices')}?{first.context['page'].older}").content.decode()
    assert "reason 0." in older
    assert User.objects.get(pk=user.pk).unread_notices == 0


def test_a_video_that_is_gone_is_named_and_not_linked(client, video):
    services.delete(a_moderator(), video, "gone")
    client.force_login(video.user)
    page = client.get(reverse("gallery:notices")).content.decode()
    assert video.title in page
    assert str(video.pk) not in page
    assert ModerationAction.objects.get().seen_at is not None


@pytest.mark.parametrize(("language", "texts"), [("en", ("Clip hidden", "Reason:")), ("pl", ("Klip ukryty", "Powód:"))])
def test_notices_are_in_the_readers_language(client, video, language, texts):
    services.hide(a_moderator(), video, "x")
    User.objects.filter(pk=video.user_id).update(language=language)
    client.force_login(video.user)
    page = client.get(reverse("gallery:notices")).content.decode()
    assert [text for text in texts if text not in page] == []
