"""A video that may not be shown appears nowhere: each state that hides one, at each place that could reveal it.

The same walk is first made with the video public (and unlisted, at its link), so that a place that never shows
anything would be noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from gallery import lifecycle
from gallery.models import Safety, Screened, SearchDoc, Video, Visibility
from gallery.moderation import services as moderation
from gallery.sharing import services as sharing
from tests.factories import UserFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db(transaction=True)

WORD = "zeppelin"  # occurs only in this video
FILES = ("file", "download", "poster", "preview", "thumbnail")


@pytest.fixture
def video(user):
    names = {
        kind: storages["default"].save(f"videos/x/{kind}", ContentFile(bytes(1000)))
        for kind in ("video_file", "poster_file", "preview_file", "thumbnail_file")
    }
    made = VideoFactory(
        user=user, title=f"A {WORD}", request=a_request(prompt=f"a {WORD} at dawn", seed=1), likes=5, **names
    )
    sharing.set_tags(made, [WORD])
    sharing.set_visibility(made, Visibility.UNLISTED)
    sharing.set_visibility(made, Visibility.PUBLIC)
    Video.objects.filter(pk=made.pk).update(picked_at=timezone.now())
    made.refresh_from_db()
    return made


@pytest.fixture
def moderator(db):
    return UserFactory(is_superuser=True, is_staff=True)


# --- Where a video can be ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """The facts about a video that outsiders may still have after it disappears."""

    pk: UUID
    token: str
    owner: str

    @classmethod
    def of(cls, video: Video) -> "Known":
        return cls(video.pk, video.share_token, video.user.username)


def own_addresses(video: Known) -> dict[str, str]:
    """Return the video's own URLs by name; each answers 404 to viewers who may not see it."""
    found = {name: reverse(f"gallery:{name}", args=[video.pk]) for name in ("video", *FILES, "embed", "report")}
    return {**found, "oembed": oembed(reverse("gallery:video", args=[video.pk]))}


def link_addresses(token: str) -> dict[str, str]:
    """Return the URLs behind its unlisted link."""
    names = ("shared", *(f"shared-{file}" for file in FILES), "shared-embed", "report-shared")
    found = {name: reverse(f"gallery:{name}", args=[token]) for name in names}
    return {**found, "shared oembed": oembed(reverse("gallery:shared", args=[token]))}


def oembed(path: str) -> str:
    return f"{reverse('gallery:oembed')}?url=http://testserver{path}"


def lists() -> dict[str, str]:
    """Return the pages that list public videos, each with a query that would include this one."""
    explore = reverse("gallery:explore")
    queries = {"newest": "", "liked": "sort=liked", "picks": "sort=picks", "tag": f"tag={WORD}", "search": f"q={WORD}"}
    more = {"tag and search": f"tag={WORD}&q={WORD}", "liked and search": f"sort=liked&q={WORD}"}
    return {f"explore {name}": f"{explore}?{query}" for name, query in {**queries, **more}.items()}


def shown_at(client, video: Known) -> set[str]:
    """Return the places that show the video to `client`."""
    found = set()
    for name, address in {**own_addresses(video), **link_addresses(video.token)}.items():
        status = client.get(address).status_code
        assert status in (200, 404), (name, status)
        found |= {name} if status == 200 else set()
        if name.endswith("file") and client.get(address, headers={"Range": "bytes=0-9"}).status_code == 206:
            found.add(f"{name}, range")
    for name, address in lists().items():
        page = client.get(address)
        assert page.status_code == 200, name
        found |= {name} if str(video.pk) in page.content.decode() else set()
    profile = client.get(reverse("gallery:profile", args=[video.owner]))
    assert profile.status_code in (200, 404)
    found |= {"profile"} if str(video.pk) in profile.content.decode() else set()
    return found


def given_to(client, video: Known) -> set[str]:
    """Return what a signed-in user obtains of the video by asking for it: its prompt, a like."""
    found = set()
    create = reverse("generation:create")
    for name, query in {"create": f"video={video.pk}", "create, link": f"share={video.token}"}.items():
        found |= {name} if WORD in client.get(f"{create}?{query}").content.decode() else set()
    likes = Video.objects.filter(pk=video.pk).values_list("likes", flat=True)
    for name, address in {"like": ("like", video.pk), "like, link": ("shared-like", video.token)}.items():
        before = list(likes.all())
        to = {"liked": "yes" if name == "like" else "no"}
        client.post(reverse(f"gallery:{address[0]}", args=[address[1]]), to)
        found |= {name} if list(likes.all()) != before else set()
    return found


# --- What hides one ------------------------------------------------------------------------------------------------


def _private(video, _moderator):
    sharing.set_visibility(video, Visibility.PRIVATE)


def _hidden(video, moderator):
    moderation.hide(moderator, video, "reason")


def _suspended(video, moderator):
    moderation.suspend(moderator, video.user, timezone.now() + timedelta(days=1), "reason")


def _deactivated(video, _moderator):
    accounts.deactivate(video.user)


def _account_deleted(video, _moderator):
    accounts.request_deletion(video.user)


def _in_the_trash(video, _moderator):
    lifecycle.trash(Video.objects.filter(pk=video.pk))


def _deleted(video, _moderator):
    lifecycle.delete(video)


def _deleted_by_moderation(video, moderator):
    moderation.delete(moderator, video, "reason")


def _refused(video, _moderator):
    Video.objects.filter(pk=video.pk).update(safety=Safety.REFUSED)


HIDING: dict[str, Callable] = {
    name.strip("_").replace("_", " "): act
    for name, act in list(globals().items())
    if name.startswith("_") and callable(act) and name[1:2].islower() and act.__module__ == __name__
}
EVERYWHERE_FOR_ALL = {*FILES, "video", "embed", "oembed", "report", "file, range", "profile"}
SORTS = ("newest", "liked", "picks", "tag", "search", "tag and search", "liked and search")
LISTS = {f"explore {sort}" for sort in SORTS}
BEHIND_THE_LINK = {
    *("shared", *(f"shared-{file}" for file in FILES), "shared-embed", "report-shared"),
    *("shared oembed", "shared-file, range"),
}


def test_every_way_to_hide_a_video_is_tried():
    assert len(HIDING) == 9


@pytest.mark.parametrize("person", ["anonymous", "stranger"])
def test_a_public_video_is_everywhere(client, video, other_user, person):
    if person == "stranger":
        client.force_login(other_user)
    found = shown_at(client, Known.of(video))
    assert found == EVERYWHERE_FOR_ALL | LISTS | BEHIND_THE_LINK
    if person == "stranger":
        assert given_to(client, Known.of(video)) == {"create", "create, link", "like", "like, link"}


@pytest.mark.parametrize("person", ["anonymous", "stranger"])
def test_an_unlisted_video_is_only_at_its_link(client, video, other_user, person):
    sharing.set_visibility(video, Visibility.UNLISTED)
    if person == "stranger":
        client.force_login(other_user)
    assert shown_at(client, Known.of(video)) == BEHIND_THE_LINK


@pytest.mark.parametrize("state", HIDING)
@pytest.mark.parametrize("person", ["anonymous", "stranger"])
def test_a_video_that_may_not_be_shown_is_nowhere(client, video, moderator, other_user, state, person):
    known = Known.of(video)
    HIDING[state](video, moderator)
    if person == "stranger":
        client.force_login(other_user)
        assert given_to(client, known) == set()
    assert shown_at(client, known) == set()


@pytest.mark.parametrize("person", ["anonymous", "stranger"])
def test_a_video_awaiting_its_safety_check_is_nowhere(client, video, other_user, settings, person):
    settings.SAFETY_CHECK = "tests.gallery.test_nowhere.HIDING"
    if person == "stranger":
        client.force_login(other_user)
    assert shown_at(client, Known.of(video)) == set()


@pytest.mark.parametrize("state", [Screened.UNSEEN, Screened.FLAGGED, Screened.REFUSED])
@pytest.mark.parametrize("person", ["anonymous", "stranger"])
def test_a_video_that_the_built_in_check_has_not_cleared_is_nowhere(client, video, other_user, state, person):
    Video.objects.filter(pk=video.pk).update(screening=state)
    known = Known.of(video)
    if person == "stranger":
        client.force_login(other_user)
        assert given_to(client, known) == set()
    assert shown_at(client, known) == set()


def test_a_revoked_link_leads_nowhere(client, video):
    sharing.set_visibility(video, Visibility.UNLISTED)
    known = Known.of(video)
    sharing.revoke_link(video)
    assert shown_at(client, known) == set()


def chosen(client, video: Video) -> tuple:
    """Return the effect of each bulk action on the video."""
    answers = {}
    for act in ("favourite", "download", "collect", "delete"):
        answers[act] = client.post(
            reverse("gallery:selected"), {"act": act, "video": [str(video.pk)], "next": "/videos/"}
        )
    kept = Video.objects.get(pk=video.pk)
    is_zip = answers["download"].get("Content-Type") == "application/zip"
    return kept.favourite, is_zip, answers["collect"].status_code == 200, kept.deleted_at is not None


def test_selecting_another_users_video_does_nothing(client, video, other_user):
    """Not even of a public one: it can be watched and downloaded, but not filed or deleted."""
    client.force_login(other_user)
    assert chosen(client, video) == (False, False, False, False)
    client.force_login(video.user)
    assert chosen(client, video) == (True, True, True, True)


def test_moderators_do_not_see_unreported_private_videos(client, video, moderator):
    known = Known.of(video)
    sharing.set_visibility(video, Visibility.PRIVATE)
    client.force_login(moderator)
    assert shown_at(client, known) == set()
    assert WORD not in client.get(reverse("admin:gallery_video_changelist")).content.decode()
    assert client.get(reverse("admin:gallery_video_change", args=[video.pk])).status_code == 302  # not found


def test_moderators_can_always_play_a_reported_video(client, video, moderator, other_user):
    known = Known.of(video)
    moderation.report(video, other_user, "", "spam")
    sharing.set_visibility(video, Visibility.PRIVATE)
    lifecycle.trash(Video.objects.filter(pk=video.pk))
    client.force_login(moderator)
    assert shown_at(client, known) == {*FILES, "file, range"}
    assert WORD in client.get(reverse("admin:gallery_video_change", args=[video.pk])).content.decode()


def test_the_hidden_video_stays_indexed(video):
    assert SearchDoc.objects.filter(video=video).count() == 2
