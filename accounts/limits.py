"""How often a user may submit clips, or do other work that costs. Counted by account, in the cache of all processes."""

import logging

from allauth.core import ratelimit
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from redis import RedisError

from accounts.http import SignedInRequest
from accounts.sign_in import attempts
from accounts.sign_in.attempts import Bucket

logger = logging.getLogger(__name__)

RETRY_SECONDS = 15  # by then, a user who submits evenly may go on


def may_submit(request: SignedInRequest) -> bool:
    """Count a submission; return whether the user is within AURAVIDEO_SUBMISSIONS_A_MINUTE.

    Without Redis, nothing is counted and everybody may submit.
    """
    return _may(request, "submit")


def may_read_file(request: SignedInRequest) -> bool:
    """Count a batch or a file that has to be read; return whether the user has not sent too many."""
    return _may(request, "read_file")


def beyond(request: HttpRequest, action: str) -> HttpResponse | None:
    """Count what costs much (COSTLY in the settings); return the refusal if the user asks for too much of it.

    Without Redis, nothing is counted. allauth, which limits submissions, does not count GET requests.
    """
    try:
        attempt = attempts.take([Bucket(f"{action}|{request.user.pk}", *settings.COSTLY[action])])
    except RedisError as error:
        logger.warning("Nobody is limited (%s): %s", action, error)
        return None
    return ratelimit.respond_429(request) if attempt.full else None


def _may(request: HttpRequest, action: str) -> bool:
    try:
        return bool(ratelimit.consume(request, action=action, user=request.user))
    except RedisError as error:
        logger.warning("Nobody is limited (%s): %s", action, error)
        return True


def too_fast() -> str:
    """Return what a user reads who submits too fast."""
    return _("You are submitting too fast. Nothing is lost: wait a few seconds, then send it again.")


def refused(response: HttpResponse) -> HttpResponse:
    """Make a response that of a refused submission."""
    response.status_code = 429
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def refusal() -> HttpResponse:
    """Return the refusal as a sentence, which htmx shows."""
    return refused(HttpResponse(too_fast(), content_type="text/plain; charset=utf-8"))
