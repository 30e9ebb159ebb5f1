"""What this site offers: its catalogue, the operator's limits, and which models are on this machine.

The one module of this room that reads the settings.
"""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import Catalogue, Entry, load_catalogue
from generation.domain.plan import Plan, plan
from generation.requests.limits import Limits
from generation.requests.offer import Offer
from generation.requests.request import InvalidRequest, RenderRequest


def catalogue() -> Catalogue:
    """Return the models that this site knows: those that ship, and the operator's own."""
    return load_catalogue(settings.CATALOGUE_FILE or None)


def limits() -> Limits:
    """Return what the operator allows."""
    return Limits(max_side=settings.MAX_SIDE, max_seconds=settings.MAX_SECONDS)


def plan_for(request: RenderRequest) -> Plan:
    """Return how a request is met by this site's catalogue.

    Raises:
        InvalidRequest: its model has left the catalogue, or can no longer make what was asked for.
    """
    model = catalogue().models.get(request.model)
    if model is None:
        raise InvalidRequest({"model": [_("The model is no longer in the catalogue.")]})
    try:
        return plan(request, model)
    except ValueError as error:  # the catalogue has changed since the request was checked
        raise InvalidRequest({"model": [str(error)]}) from error


def offer() -> Offer:
    """Return what can be asked for on this machine now; each model's folder is looked at once."""
    known: dict[str, bool] = {}

    def is_here(entry: Entry) -> bool:
        if entry.id not in known:
            known[entry.id] = entry.is_available(settings.HOME)
        return known[entry.id]

    return Offer(catalogue(), limits(), is_here)
