"""How much computing a request took, for the budget of the address that it came from."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_only_middleware

SETTLE = "auravideo.settle"  # in the scope of a request: is told the seconds


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
            settle = getattr(request, "scope", {}).get(SETTLE)
            if settle is not None:
                settle(time.thread_time() - begun)

    return handle
