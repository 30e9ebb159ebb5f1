"""Pages that belong to no app."""

from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.second_factor_secrets import Unreadable
from generation.domain.stages import STAGES
from generation.requests import available

RETRY_SECONDS = 60  # most limits are per minute

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
    models = available.offer().models()
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
        "undo_seconds": 60 * settings.UNDO_MINUTES,
    }
    return render(request, "help.html", context)


def too_many(request: HttpRequest, _exception: Exception | None = None) -> HttpResponse:
    """Refuse what was done too often: with a page, or a sentence for htmx, which shows it. allauth calls this."""
    if getattr(request, "htmx", False):
        text = _("You did this too often. Nothing is lost: wait a moment, then try again.")
        response = HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
    else:
        response = render(request, "429.html", status=429)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Refuse a page; say why where our own code explains it. Django's handler403."""
    explanation = str(exception) if isinstance(exception, Unreadable) else ""
    return render(request, "403.html", {"explanation": explanation}, status=403)


@require_safe
def favicon(_request: HttpRequest) -> HttpResponse:
    """Redirect to the icon; browsers request it for pages that name none (files, the admin)."""
    return redirect(static("images/favicon.svg"))


@require_safe
@cache_control(no_cache=True)
def service_worker(_request: HttpRequest) -> HttpResponse:
    """Send the worker that shows notifications. From here, not from below /static/: its place is its scope."""
    path = finders.find("js/service-worker.js")
    if not isinstance(path, str):
        raise Http404
    return HttpResponse(Path(path).read_bytes(), content_type="text/javascript; charset=utf-8")


@require_safe
def manifest(_request: HttpRequest) -> HttpResponse:
    """Describe the site as an application that browsers and phones can install."""
    sizes = ((192, "any"), (512, "any"), (512, "maskable"))
    icons = [
        {
            "src": static(f"images/icons/{'maskable' if purpose == 'maskable' else size}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": purpose,
        }
        for size, purpose in sizes
    ]
    described = {
        "name": "AuraVideo",
        "short_name": "AuraVideo",
        "description": _("Turn a sentence into a short video."),
        "id": "/",
        "start_url": reverse("generation:create"),
        "scope": "/",
        "display": "standalone",
        "icons": icons,
        "shortcuts": [
            {"name": _("Create"), "url": reverse("generation:create")},
            {"name": _("Queue"), "url": reverse("generation:jobs")},
        ],
    }
    return JsonResponse(described, content_type="application/manifest+json")
