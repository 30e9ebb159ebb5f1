"""Walk from clip to clip through the library, as filtered and sorted; also through those of a stack, one by one."""

from uuid import UUID

from django.urls import reverse

from accounts.models import User
from gallery.access import library_of
from gallery.library.forms import LibraryForm
from gallery.models import Video
from gallery.search.query import find, mark_of


def after(video: Video, form: LibraryForm, user: User) -> UUID | None:
    """Return the ID of the video that follows in the list; None after the last one.

    The video need not be in the list any more, as when it lost the star that the list asks for: it keeps its place.
    """
    return _behind(video, form, user, form.order)


def before(video: Video, form: LibraryForm, user: User) -> UUID | None:
    """Return the ID of the video that precedes in the list, or its place in the list; None before the first one."""
    backwards = form.order.removeprefix("-") if form.order.startswith("-") else f"-{form.order}"
    return _behind(video, form, user, backwards)


def nearest(video: Video, form: LibraryForm, user: User) -> UUID | None:
    """Return the ID of the video to show when this one is gone."""
    return after(video, form, user) or before(video, form, user)


def in_list(name: str, form: LibraryForm, *ids: UUID) -> str:
    """Return the address of a page that remembers the list."""
    query = form.query()
    return reverse(name, args=ids) + (f"?{query}" if query else "")


def _behind(video: Video, form: LibraryForm, user: User, order: str) -> UUID | None:
    """Return the ID of the first video behind the place of this one, in that order."""
    videos = library_of(user).filter(**form.filters).only("pk", "created_at", "size")
    mark = mark_of(video, form.text, order, owner=user)
    page = find(videos, form.text, {"before": mark}, 1, order, owner=user, span=form.span)
    return page.rows[0].pk if page.rows and page.newer else None  # if nothing is behind it, this is the first page
