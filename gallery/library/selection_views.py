"""Bulk actions on selected videos. Videos that are gone or not the user's own are skipped."""

from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import limits
from accounts.http import SignedInRequest
from auravideo.core import zips
from auravideo.core.zips import ZipEntry, json_file, stored_file
from gallery import lifecycle
from gallery.access import collections_of, library_of
from gallery.files.views import file_stem
from gallery.library import services as library
from gallery.library.forms import CollectForm, SelectionForm
from gallery.library.pages import back, tell_deleted
from gallery.library.selectors import settings_of
from gallery.models import Video, VideoQuerySet


@login_required
@require_POST
def selected(request: SignedInRequest) -> HttpResponseBase:
    """Apply the form's action to the selected videos."""
    form = SelectionForm(request.POST)
    if not form.is_valid():
        for texts in form.errors.values():
            messages.error(request, str(texts[0]))
        return back(request)
    videos = library_of(request.user).filter(pk__in=form.cleaned_data["video"])
    if not videos.exists():
        messages.info(request, _("None of these clips are in your library anymore."))
        return back(request)
    return _ACTS[form.cleaned_data["act"]](request, videos, form.cleaned_data["collection"]) or back(request)


@login_required
@require_POST
def collect(request: SignedInRequest) -> HttpResponse:
    """Add videos to the chosen collection or to a new one."""
    form = CollectForm(request.user, request.POST)
    if not form.is_valid():
        return _collect_page(request, form)
    try:
        collection = form.cleaned_data["collection"] or library.create_collection(
            request.user, form.cleaned_data["name"]
        )
    except library.Refused as error:
        form.add_error("name", str(error))
        return _collect_page(request, form)
    videos = library_of(request.user).filter(pk__in=form.cleaned_data["video"]).order_by("created_at")
    count = library.add_to_collection(collection, videos)
    text = ngettext("%(n)d clip was added to “%(name)s”.", "%(n)d clips were added to “%(name)s”.", count)
    messages.success(request, text % {"n": count, "name": collection.name})
    return back(request)


def _collect_page(request: HttpRequest, form: CollectForm) -> HttpResponse:
    ids = form["video"].value() or []
    return render(request, "gallery/collect.html", {"form": form, "count": len(ids), "next": request.POST.get("next")})


def _delete(request: SignedInRequest, videos: VideoQuerySet, _collection: UUID | None) -> None:
    tell_deleted(request, *lifecycle.trash(videos))


def _favourite(request: SignedInRequest, videos: VideoQuerySet, _collection: UUID | None) -> None:
    library.set_favourite(videos, True)
    messages.success(request, _("Added to your favourites."))


def _unfavourite(request: SignedInRequest, videos: VideoQuerySet, _collection: UUID | None) -> None:
    library.set_favourite(videos, False)
    messages.success(request, _("Removed from your favourites."))


def _collect(request: SignedInRequest, videos: VideoQuerySet, _collection: UUID | None) -> HttpResponse:
    ids = [str(pk) for pk in videos.values_list("pk", flat=True)]
    return _collect_page(request, CollectForm(request.user, initial={"video": ids}))


def _compare(_request: SignedInRequest, videos: VideoQuerySet, _collection: UUID | None) -> HttpResponse:
    ids = videos.order_by("-created_at").values_list("pk", flat=True)
    return redirect(f"{reverse('gallery:compare')}?{urlencode([('video', str(id)) for id in ids])}")


def _remove(request: SignedInRequest, videos: VideoQuerySet, collection_id: UUID | None) -> None:
    collection = get_object_or_404(collections_of(request.user), pk=collection_id)
    count = library.remove_from_collection(collection, videos.values_list("pk", flat=True))
    text = ngettext("%(n)d clip was removed from “%(name)s”.", "%(n)d clips were removed from “%(name)s”.", count)
    messages.success(request, text % {"n": count, "name": collection.name})


def _download(request: SignedInRequest, videos: VideoQuerySet, _collection: UUID | None) -> HttpResponseBase:
    if refused := limits.beyond(request, "zip"):
        return refused
    return zips.response(_files(list(videos.order_by("created_at"))), "auravideo.zip")


def _files(videos: list[Video]) -> Iterator[ZipEntry]:
    """Yield each video and its settings, under the same name."""
    for number, video in enumerate(videos, start=1):
        name = f"{number:03d}-{file_stem(video)}"
        yield stored_file(f"{name}.{video.format}", video.video_file.name, video.video_file.storage)
        yield json_file(f"{name}.json", partial(settings_of, video))


_ACTS: dict[str, Callable[[SignedInRequest, VideoQuerySet, UUID | None], HttpResponseBase | None]] = {
    "delete": _delete,
    "favourite": _favourite,
    "unfavourite": _unfavourite,
    "collect": _collect,
    "remove": _remove,
    "compare": _compare,
    "download": _download,
}
