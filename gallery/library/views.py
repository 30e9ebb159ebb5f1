"""The library: a user's own videos in an endlessly scrolling grid."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import push_url

from accounts import limits
from accounts.http import SignedInRequest
from gallery import stacks
from gallery.access import library_of
from gallery.library import dates
from gallery.library.dates import Period
from gallery.library.forms import MAX_SELECTED, LibraryForm
from gallery.library.pages import VIDEOS_A_PAGE
from gallery.library.selectors import for_cards, made_in, news_of, with_videos
from gallery.search.query import find
from generation.jobs import archive


@login_required
@require_safe
@vary_on_headers("HX-Request", "HX-Target")  # the Back button must not show a cached fragment
def library(request: SignedInRequest) -> HttpResponse:
    """Show the whole page; for HTMX, the filtered results (`found`) or the next page of cards (`cards`)."""
    form = LibraryForm(request.GET)
    if form.text and (refused := limits.beyond(request, "search")):
        return refused
    videos = for_cards(library_of(request.user).filter(**form.filters))
    if form.is_stacked:
        videos = stacks.with_size(videos.filter(is_front=True))
    is_more = request.htmx.target == "cards"
    periods = [] if is_more else dates.offered(timezone.localdate(), form.days[0])
    if periods:
        videos = videos.annotate(made_in=made_in(request.user, periods))
    page = find(videos, form.text, request.GET, VIDEOS_A_PAGE, form.order, owner=request.user, span=form.span)
    if page.rows:
        archive.mark_seen(request.user, news_of(request.user, page.rows, are_stacks=form.is_stacked))
    context = {"form": form, "page": page, "videos": page.rows, "kept": form.kept, "narrowed": form.narrowed_by}
    context |= {"most": MAX_SELECTED, "dated": form.is_dated, "level": 3 if form.is_dated else 2}
    context["filter"] = form.query()
    if is_more:
        return render(request, "gallery/partials/more_cards.html", context)
    if page.rows or any(form.days):
        context["dates"] = _links(form, with_videos(page, request.user, periods))
    context["undated"] = form.query(since="", until="")
    if request.htmx.target == "found":
        found = render(request, "gallery/partials/found.html", context)
        return push_url(found, f"{request.path}?{form.kept.removesuffix('&')}".removesuffix("?"))
    return render(request, "gallery/library.html", context)


def _links(form: LibraryForm, periods: list[Period]) -> list[dict[str, Any]]:
    """Return the label of each period and the query string that narrows this list to it."""
    return [
        {
            "label": period.label,
            "query": form.query(**period.query),
            "is_chosen": form.days == (period.first, period.last),
        }
        for period in periods
    ]
