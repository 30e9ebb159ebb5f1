"""Pages that belong to no app."""

from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from generation.domain.stages import STAGES
from generation.queue import broker
from generation.requests import available

EXAMPLES = (
    "a lighthouse on a cliff at dusk, waves breaking below, warm light, cinematic",
    "a red fox walking through fresh snow in a birch forest, soft morning light",
    "a paper boat drifting down a rainy street, reflections of neon signs, night",
    "close-up of a candle flame in a dark room, gentle draught, shallow focus",
)
DEMO_EXAMPLES = (
    "a large red heart rising over the sea",
    "a small yellow star circling in a starry night",
    "a large blue square spinning in the desert",
    "a small pink circle bouncing over a meadow",
    "a large green triangle moving right at sunset",
    "a small orange cross growing on black",
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the landing page; redirect signed-in users to the create page."""
    if request.user.is_authenticated:
        return redirect("generation:create")
    return render(request, "home.html")


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """Explain prompts, parameters and what this machine's models can draw. Public."""
    models = [model for model in available.catalogue().models.values() if model.is_available(settings.HOME)]
    context = {
        "models": models,
        "demo": next((model for model in models if model.family == "tiny"), None),
        "full_size": any(model.family != "tiny" for model in models),
        "examples": EXAMPLES,
        "demo_examples": DEMO_EXAMPLES,
        "stages": STAGES.values(),
        "max_side": settings.MAX_SIDE,
        "max_seconds": settings.MAX_SECONDS,
        "max_jobs": settings.MAX_ACTIVE_JOBS,
        "undo_minutes": settings.UNDO_MINUTES,
    }
    return render(request, "help.html", context)


@require_safe
def favicon(_request: HttpRequest) -> HttpResponse:
    """Redirect to the icon; browsers request it for pages that name none (files, the admin)."""
    return redirect(static("images/favicon.svg"))


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """Return whether the database and Redis answer: 200 if both do, otherwise 503. Reveals nothing else."""
    state = {"database": _answers(_ask_database), "redis": _answers(_ask_redis)}
    return JsonResponse(state, status=200 if all(state.values()) else 503)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    broker.connection().ping()  # the cache and the events need it even if another broker carries the messages


def _answers(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except (DatabaseError, RedisError):
        return False
    return True
