"""Collections: a user's own sets of videos."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.http import SignedInRequest
from auravideo.core.keyset import Page, page_of
from gallery.access import collections_of
from gallery.library import services
from gallery.library.forms import MAX_SELECTED, CollectionForm
from gallery.library.pages import VIDEOS_A_PAGE
from gallery.library.selectors import COUNT_UP_TO, items_of, shown_collections_of
from gallery.models import Collection


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def collections(request: SignedInRequest) -> HttpResponse:
    """List the user's collections, with a form to create one."""
    form = CollectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_collection(request.user, form.cleaned_data["name"])
            return redirect("gallery:collection", made.pk)
        except services.Refused as error:
            form.add_error("name", str(error))
    context = {"form": form, "collections": shown_collections_of(request.user), "most": COUNT_UP_TO}
    return render(request, "gallery/collections.html", context)


@login_required
@require_safe
@vary_on_headers("HX-Request", "HX-Target")
def collection(request: SignedInRequest, collection_id: UUID) -> HttpResponse:
    """Show a collection, newest additions first; for HTMX, the next page of cards. One query unless it is empty."""
    page = page_of(items_of(request.user, collection_id), request.GET, VIDEOS_A_PAGE, "-added_at")
    found = page.rows[0].collection if page.rows else _mine(request, collection_id)
    if request.htmx.target == "cards":
        return render(request, "gallery/partials/more_cards.html", _shown(found, page))
    return render(request, "gallery/collection.html", _shown(found, page, CollectionForm(initial={"name": found.name})))


@login_required
@require_POST
def rename(request: SignedInRequest, collection_id: UUID) -> HttpResponse:
    found = _mine(request, collection_id)
    form = CollectionForm(request.POST)
    if not form.is_valid():
        return _refused(request, found, form)
    try:
        services.rename_collection(found, form.cleaned_data["name"])
    except services.Refused as error:
        form.add_error("name", str(error))
        return _refused(request, found, form)
    messages.success(request, _("The collection is now named “%s”.") % found.name)
    return redirect("gallery:collection", collection_id)


@login_required
@require_POST
def delete(request: SignedInRequest, collection_id: UUID) -> HttpResponse:
    found = _mine(request, collection_id)
    services.delete_collection(found)
    messages.success(request, _("The collection “%s” was deleted. Its clips are in your library.") % found.name)
    return redirect("gallery:collections")


def _refused(request: SignedInRequest, found: Collection, form: CollectionForm) -> HttpResponse:
    page = page_of(items_of(request.user, found.pk), {}, VIDEOS_A_PAGE, "-added_at")
    return render(request, "gallery/collection.html", _shown(found, page, form))


def _shown(found: Collection, page: Page, form: CollectionForm | None = None) -> dict:
    videos = [item.video for item in page.rows]
    return {"collection": found, "page": page, "videos": videos, "most": MAX_SELECTED, "form": form}


def _mine(request: SignedInRequest, collection_id: UUID) -> Collection:
    return get_object_or_404(collections_of(request.user), pk=collection_id)
