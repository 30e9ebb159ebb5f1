"""What people get if a request fails: whether it is our fault, or the database or Redis is away for a moment."""

import sys

import redis
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import defaults

RETRY_SECONDS = 10
# What SQLite calls operational and is not: it does not pass by itself.
_WRONG_SCHEMA = ("no such table", "no such column")
# Where guesses and rates are counted, so that nobody can sign in without it. Its other errors are our fault.
_REDIS_IS_AWAY = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.OutOfMemoryError)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that raised: 503 if the database or Redis is away, otherwise 500. Django's handler500."""
    error = sys.exc_info()[1]
    is_database = _is_outage_of_database(error)
    if not is_database and not isinstance(error, _REDIS_IS_AWAY):
        return defaults.server_error(request)
    if request.headers.get("HX-Request") == "true":
        text = (
            _("The database of this site does not answer at the moment. Please try again in a few seconds.")
            if is_database
            else _("A part of this site does not answer at the moment. Please try again in a few seconds.")
        )
        response = HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")
    else:
        # Without the request: context processors would ask the database.
        response = HttpResponse(render_to_string("unavailable.html", {"is_database": is_database}), status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    response["Cache-Control"] = "no-store"
    return response


def _is_outage_of_database(error: BaseException | None) -> bool:
    is_operational = isinstance(error, OperationalError | InterfaceError)
    return is_operational and not any(what in str(error) for what in _WRONG_SCHEMA)
