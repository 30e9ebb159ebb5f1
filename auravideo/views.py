"""The pages that belong to no app."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from generation import broker


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this site is, or straight to creating for who is signed in."""
    if request.user.is_authenticated:
        return redirect("generation:create")
    return render(request, "home.html")


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """Whether the database and Redis answer: 200 when both do, 503 otherwise. Names nothing else."""
    state = {"database": _answers(_ask_database), "redis": _answers(_ask_redis)}
    return JsonResponse(state, status=200 if all(state.values()) else 503)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    broker.connection().ping()


def _answers(ask) -> bool:
    try:
        ask()
    except (DatabaseError, RedisError):
        return False
    return True
