"""The offer of this site: its catalogue, the operator's limits and the models on this machine.

The only module of this package that reads the settings.
"""

from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from generation.catalogue import approved
from generation.catalogue.load import Catalogue, CurrentCatalogue, Entry
from generation.domain.plan import Plan, plan
from generation.requests.limits import Limits
from generation.requests.offer import Offer
from generation.requests.request import InvalidRequest, RenderRequest
from generation.requests.wildcards import FOLDER, Wildcards

_current = CurrentCatalogue()


def catalogue() -> Catalogue:
    """Return this site's catalogue: the bundled models, those approved, and the operator's own, as they are now."""
    return _current.get(settings.CATALOGUE_FILE or None, approved.path(settings.HOME))


def limits() -> Limits:
    """Return the operator's limits."""
    return Limits(max_side=settings.MAX_SIDE, max_seconds=settings.MAX_SECONDS)


def lists() -> Wildcards:
    """Return the operator's lists for prompts, as they are now."""
    return Wildcards(Path(settings.HOME) / FOLDER)


def plan_for(request: RenderRequest) -> Plan:
    """Return the plan of a request on this site's catalogue.

    Raises:
        InvalidRequest: the model has left the catalogue, or can no longer render the request.
    """
    model = catalogue().models.get(request.model)
    if model is None:
        raise InvalidRequest({"model": [_("The model is no longer in the catalogue.")]})
    try:
        return plan(request, model)
    except ValueError as error:  # the catalogue has changed since the request was validated
        raise InvalidRequest({"model": [str(error)]}) from error


def offer(own: Limits | None = None) -> Offer:
    """Return the current offer of this machine, within a user's own limits. Each model's folder is checked once."""
    known: dict[str, bool] = {}

    def is_here(entry: Entry) -> bool:
        if entry.id not in known:
            known[entry.id] = entry.is_available(settings.HOME)
        return known[entry.id]

    return Offer(catalogue(), own or limits(), is_here)
