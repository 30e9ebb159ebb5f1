"""How much computing a request took, for the budget of the address that it came from."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_only_middleware

SETTLE = "auravideo.settle"  # in the scope of a request: is told the seconds
SIGNED_IN = "auravideo.signed_in"  # the same: is told the ID of the account, 0 for none; not if nothing asked for it


@sync_only_middleware
def measure_computing(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Measure the processor time of the request's thread, in which everything behind this middleware runs.

    Not the time that passes, which grows with what others ask for.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        begun = time.thread_time()
        try:
            return get_response(request)
        finally:
            scope = getattr(request, "scope", {})
            if (settle := scope.get(SETTLE)) is not None:
                settle(time.thread_time() - begun)
            user = getattr(request, "_cached_user", None)  # set if the request asked who it is
            if user is not None and (tell := scope.get(SIGNED_IN)) is not None:
                tell(user.pk or 0)

    return handle
