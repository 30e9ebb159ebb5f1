"""Changes to a user's own videos: titles, favourites, collections."""

from collections.abc import Iterable
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from gallery.access import collections_of
from gallery.models import Collection, CollectionItem, SearchDoc, Video

MAX_COLLECTIONS = 200  # per user


class Refused(ValueError):
    """A collection cannot be created or renamed; the message is shown to the user."""


class NameTaken(Refused):
    def __str__(self) -> str:
        return str(_("You already have a collection with this name."))


class TooManyCollections(Refused):
    def __str__(self) -> str:
        return str(_("You already have %s collections. Delete one you no longer need.") % MAX_COLLECTIONS)


@transaction.atomic
def rename(video: Video, title: str) -> None:
    """Set the title of a video, already validated, and update the search index."""
    Video.objects.filter(pk=video.pk).update(title=title)
    video.title = title
    SearchDoc.objects.index([video])


def set_favourite(videos: QuerySet[Video], favourite: bool) -> int:
    """Set or clear the favourite flag of videos. Returns how many changed."""
    return videos.filter(favourite=not favourite).update(favourite=favourite)


def create_collection(user: User, name: str) -> Collection:
    """Create a collection.

    Raises:
        NameTaken: the user has one of this name, compared case-insensitively.
        TooManyCollections: the user already has `MAX_COLLECTIONS`.
    """
    if collections_of(user).filter(name__iexact=name).exists():
        raise NameTaken
    if collections_of(user).count() >= MAX_COLLECTIONS:
        raise TooManyCollections
    try:
        with transaction.atomic():
            return Collection.objects.create(user=user, name=name)
    except IntegrityError:  # lost a race with another request
        raise NameTaken from None


def rename_collection(collection: Collection, name: str) -> None:
    """Rename a collection.

    Raises:
        NameTaken: another of the user's collections has this name, compared case-insensitively.
    """
    others = Collection.objects.filter(user_id=collection.user_id).exclude(pk=collection.pk)
    if others.filter(name__iexact=name).exists():
        raise NameTaken
    try:
        with transaction.atomic():
            Collection.objects.filter(pk=collection.pk).update(name=name)
    except IntegrityError:
        raise NameTaken from None
    collection.name = name


def delete_collection(collection: Collection) -> None:
    """Delete a collection; its videos stay in the library."""
    Collection.objects.filter(pk=collection.pk).delete()


@transaction.atomic
def add_to_collection(collection: Collection, videos: Iterable[Video]) -> int:
    """Add the owner's videos to the collection. Returns how many were not in it yet."""
    chosen = [video for video in videos if video.user_id == collection.user_id]
    there = set(collection.items.filter(video__in=chosen).values_list("video_id", flat=True))
    new = [CollectionItem(collection=collection, video=video) for video in chosen if video.pk not in there]
    CollectionItem.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def remove_from_collection(collection: Collection, video_ids: Iterable[UUID]) -> int:
    """Remove videos from the collection; they stay in the library. Returns how many were removed."""
    return collection.items.filter(video_id__in=list(video_ids)).delete()[0]
