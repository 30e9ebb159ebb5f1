"""Walk from clip to clip through the library, as filtered and sorted; also through those of a stack, one by one."""

from uuid import UUID

from django.urls import reverse

from accounts.models import User
from auravideo.core.keyset import Page
from gallery.access import library_of
from gallery.library.forms import LibraryForm
from gallery.models import Video
from gallery.search.query import find, mark_of


def after(video: Video, form: LibraryForm, user: User) -> UUID | None:
    """Return the ID of the video that follows in the list; None after the last one."""
    page = _page(video, form, user, "before")  # what comes after it in the list is on the page before its mark
    return page.rows[0].pk if page.rows and page.newer else None


def before(video: Video, form: LibraryForm, user: User) -> UUID | None:
    """Return the ID of the video that precedes in the list; None before the first one."""
    page = _page(video, form, user, "after")  # without a neighbour, this is the first page
    return page.rows[0].pk if page.rows and page.rows[0].pk != video.pk else None


def nearest(video: Video, form: LibraryForm, user: User) -> UUID | None:
    """Return the ID of the video to show when this one is gone."""
    return after(video, form, user) or before(video, form, user)


def in_list(name: str, form: LibraryForm, *ids: UUID) -> str:
    """Return the address of a page that remembers the list."""
    query = form.query()
    return reverse(name, args=ids) + (f"?{query}" if query else "")


def _page(video: Video, form: LibraryForm, user: User, side: str) -> Page:
    videos = library_of(user).filter(**form.filters).only("pk", "created_at", "size")
    mark = mark_of(video, form.text, form.order, owner=user)
    return find(videos, form.text, {side: mark}, 1, form.order, owner=user, span=form.span)
