"""Collections: names are unique per user in any case, and their videos survive whatever happens to them."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from gallery.library import selectors, services
from gallery.library.views import VIDEOS_A_PAGE
from gallery.models import CollectionItem, Video
from tests.factories import CollectionFactory, VideoFactory

pytestmark = pytest.mark.django_db

URL = "/videos/collections/"


def test_a_collection_is_made_and_opened(signed_in, user):
    page = signed_in.post(URL, {"name": "  By the sea "}, follow=True)
    assert page.redirect_chain[0][0] == reverse("gallery:collection", args=[user.collections.get().pk])
    assert user.collections.get().name == "By the sea"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "Give the collection a name."),
        ("SEA", "already have a collection with this name"),
        ("x" * 81, "at most 80"),
    ],
)
def test_an_invalid_name_is_reported_at_the_field(signed_in, user, name, says):
    CollectionFactory(user=user, name="Sea")
    other = CollectionFactory(user=user, name="Other")
    for address in (URL, reverse("gallery:collection-rename", args=[other.pk])):
        response = signed_in.post(address, {"name": name})
        assert response.status_code == 200
        assert says in str(response.context["form"]["name"].errors)
        assert 'aria-invalid="true"' in response.content.decode()
    assert sorted(user.collections.values_list("name", flat=True)) == ["Other", "Sea"]


def test_two_people_may_use_the_same_name(signed_in, user, other_user):
    CollectionFactory(user=other_user, name="Sea")
    signed_in.post(URL, {"name": "Sea"})
    assert user.collections.count() == 1


def test_a_name_that_is_taken_at_the_same_moment_is_refused_too(user, monkeypatch):
    CollectionFactory(user=user, name="Sea")
    found = services.collections_of(user).none()
    monkeypatch.setattr(services, "collections_of", lambda _user: found)
    with pytest.raises(services.NameTaken):
        services.create_collection(user, "sea")


def test_the_number_of_collections_is_limited(signed_in, user, monkeypatch):
    monkeypatch.setattr(services, "MAX_COLLECTIONS", 1)
    CollectionFactory(user=user)
    page = signed_in.post(URL, {"name": "Another"})
    assert "You already have 1 collections." in page.content.decode()


def test_renaming_keeps_what_is_in_it_and_may_change_the_case(signed_in, user):
    collection = CollectionFactory(user=user, name="sea")
    collection.items.create(video=VideoFactory(user=user))
    page = signed_in.post(reverse("gallery:collection-rename", args=[collection.pk]), {"name": "Sea"}, follow=True)
    assert "is now named “Sea”" in page.content.decode()
    collection.refresh_from_db()
    assert (collection.name, collection.items.count()) == ("Sea", 1)


def test_deleting_keeps_the_videos(signed_in, user):
    collection = CollectionFactory(user=user)
    collection.items.create(video=VideoFactory(user=user))
    signed_in.post(reverse("gallery:collection-delete", args=[collection.pk]))
    assert (user.collections.count(), Video.objects.kept().count()) == (0, 1)


def test_the_list_shows_a_cover_and_counts_what_is_kept(signed_in, user, other_user, monkeypatch):
    monkeypatch.setattr(selectors, "COUNT_UP_TO", 3)
    CollectionFactory(user=other_user, name="Theirs")
    few, many = CollectionFactory(user=user, name="b few"), CollectionFactory(user=user, name="A many")
    videos = VideoFactory.create_batch(5, user=user)
    services.add_to_collection(few, videos[:2])
    services.add_to_collection(few, [VideoFactory(user=user, deleted_at=timezone.now())])
    services.add_to_collection(many, videos)
    found = selectors.shown_collections_of(user)
    assert [(one.name, one.videos_up_to) for one in found] == [("A many", 4), ("b few", 2)]
    assert [one.cover_id for one in found] == [videos[4].pk, videos[1].pk]
    monkeypatch.undo()
    html = signed_in.get(URL).content.decode()
    assert "Theirs" not in html
    assert "2 clips" in html
    assert reverse("gallery:thumbnail", args=[videos[1].pk]) in html


def test_the_list_takes_as_many_queries_for_many_as_for_one(signed_in, user, django_assert_max_num_queries):
    for _ in range(10):
        services.add_to_collection(CollectionFactory(user=user), VideoFactory.create_batch(2, user=user))
    with django_assert_max_num_queries(6):
        signed_in.get(URL)


def test_a_collection_is_read_to_its_end_page_by_page(signed_in, user, busy, django_assert_max_num_queries):
    collection = CollectionFactory(user=user)
    count = 2 * VIDEOS_A_PAGE + 3
    now = timezone.now()
    for n in range(count):
        item = collection.items.create(video=VideoFactory(user=user, title=f"Video {n}"))
        CollectionItem.objects.filter(pk=item.pk).update(added_at=now - timedelta(minutes=n))
    gone = VideoFactory(user=user, title="Deleted", deleted_at=now)
    collection.items.create(video=gone)
    seen, address = [], reverse("gallery:collection", args=[collection.pk])
    while address:
        with django_assert_max_num_queries(6):
            html = signed_in.get(address).content.decode()
        seen += re.findall(r'card__title"><a href="[^"]+">([^<]+)</a>', html)
        match = re.search(r'id="older" rel="next" href="([^"]+)"', html)
        address = match and match[1].replace("&amp;", "&")
    assert seen == [f"Video {n}" for n in range(count)]
