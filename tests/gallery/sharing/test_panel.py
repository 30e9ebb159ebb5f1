"""The share panel on the owner's page: its texts and buttons, with and without HTMX."""

import pytest
from django.urls import reverse
from django.utils import timezone

from gallery.models import Safety, Video, Visibility
from gallery.sharing import services
from gallery.sharing.selectors import tags_of
from tests.factories import VideoFactory

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def video(client, user):
    client.force_login(user)
    return VideoFactory(user=user)


def shown(client, video) -> str:
    return client.get(reverse("gallery:video", args=[video.pk])).content.decode()


def post(client, video, name: str, data=None, **options):
    return client.post(reverse(f"gallery:{name}", args=[video.pk]), data or {}, **options)


def test_it_says_in_plain_words_who_can_watch(client, video):
    assert "Only you." in shown(client, video)
    services.set_visibility(video, Visibility.UNLISTED)
    page = shown(client, video)
    assert "Anyone with the link." in page
    assert f'value="http://testserver/s/{video.share_token}/"' in page
    services.set_visibility(video, Visibility.PUBLIC)
    page = shown(client, video)
    assert "Everyone." in page
    assert f'value="http://testserver/videos/{video.pk}/"' in page
    assert f'value="http://testserver/s/{video.share_token}/"' in page  # still valid, so it can be revoked


@pytest.mark.parametrize("to", ["unlisted", "public"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_sharing_with_htmx_and_without(client, video, to, headers):
    response = post(client, video, "visibility", {"visibility": to}, headers=headers)
    assert Video.objects.get().visibility == to
    if headers:
        html = response.content.decode()
        assert html.lstrip().startswith("<section")
        assert 'id="sharing"' in html
        assert "can watch" in html
    else:
        assert response.url == reverse("gallery:video", args=[video.pk])


def test_revoking_leads_back_and_the_link_is_gone_from_the_panel(client, video):
    services.set_visibility(video, Visibility.UNLISTED)
    html = post(client, video, "revoke", headers=HTMX).content.decode()
    assert "The link no longer works." in html
    assert "/s/" not in html
    assert post(client, video, "revoke").status_code == 302  # pressed on a stale page


@pytest.mark.parametrize("value", ["", "everybody", "x" * 999])
def test_an_invalid_visibility_is_rejected(client, video, value):
    assert post(client, video, "visibility", {"visibility": value}).status_code == 400


def test_tags_are_saved_and_shown_again(client, video):
    assert post(client, video, "tags", {"tags": "Sea, #night"}).status_code == 302
    assert tags_of(video) == ["night", "sea"]
    assert 'value="night, sea"' in shown(client, video)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_invalid_tag_is_reported_at_the_field_and_input_is_kept(client, video, headers):
    services.set_tags(video, ("before",))
    response = post(client, video, "tags", {"tags": "sea, <b>"}, headers=headers)
    html = response.content.decode()
    assert "“&lt;b&gt;” cannot be a tag" in html
    assert 'value="sea, &lt;b&gt;"' in html
    assert 'aria-invalid="true"' in html
    assert ("<html" in html) is (not headers)
    assert tags_of(video) == ["before"]


def test_it_says_what_keeps_a_video_back(client, video, settings):
    services.set_visibility(video, Visibility.PUBLIC)
    assert "safety check" not in shown(client, video)
    settings.SAFETY_CHECK = "tests.gallery.screening.test_own_check.no_hearts"
    assert "is waiting for this site's safety check" in shown(client, video)
    Video.objects.update(safety=Safety.REFUSED)
    assert "safety check rejected this clip" in shown(client, video)
    Video.objects.update(safety=Safety.PASSED)
    assert "safety check" not in shown(client, video)
    Video.objects.update(hidden_at=timezone.now())
    assert "has hidden this clip" in shown(client, video)


@pytest.mark.parametrize("name", ["visibility", "revoke", "tags"])
def test_somebody_elses_video_does_not_exist(client, video, other_user, name):
    client.force_login(other_user)
    assert post(client, video, name, {"visibility": "public", "tags": "sea"}).status_code == 404
    assert Video.objects.get().visibility == Visibility.PRIVATE


@pytest.mark.parametrize("name", ["visibility", "revoke", "tags"])
def test_what_is_in_the_trash_is_not_shared(client, video, name):
    Video.objects.update(deleted_at=timezone.now())
    assert post(client, video, name, {"visibility": "public", "tags": "sea"}).status_code == 404
