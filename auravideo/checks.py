"""System checks whose messages say how to fix the problem."""

import os
from importlib.util import find_spec

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from auravideo import tracing
from auravideo.commands import manage
from generation.catalogue import approved
from generation.catalogue.load import CatalogueError, load_catalogue


@register
def check_home(**_kwargs: object) -> list[CheckMessage]:
    """Check that AURAVIDEO_HOME is writable."""
    if os.access(settings.HOME, os.W_OK | os.X_OK):
        return []
    hint = "Give it to the user who runs AuraVideo, or set AURAVIDEO_HOME to another folder."
    return [Error(f"{settings.HOME} cannot be written to.", hint=hint, id="auravideo.E001")]


@register
def check_static(**_kwargs: object) -> list[CheckMessage]:
    """Check that AURAVIDEO_STATIC has collected files. Without them, browsers cache no script or style."""
    if not settings.STATIC_COLLECTED or (settings.STATIC_ROOT / "staticfiles.json").is_file():
        return []
    hint = f"Unset AURAVIDEO_STATIC, or run: {manage('collectstatic')}"
    return [Error(f"{settings.STATIC_ROOT} has no collected static files.", hint=hint, id="auravideo.E005")]


@register
def check_catalogue(**_kwargs: object) -> list[CheckMessage]:
    """Check that the catalogue is valid and that the default model is on this machine."""
    try:
        catalogue = load_catalogue(settings.CATALOGUE_FILE or None, approved.path(settings.HOME))
    except CatalogueError as error:
        hint = "Correct the file that AURAVIDEO_CATALOGUE names (docs/models.md says what an entry needs)."
        return [Error(str(error), hint=hint, id="auravideo.E002")]
    missing = [entry for entry in catalogue.with_needs(catalogue.default_model.id) if entry.missing(settings.HOME)]
    return [
        Warning(f"The model {entry.label} is not on this machine.", hint=f"Run: {entry.command}", id="auravideo.W001")
        for entry in missing
    ]


@register
def check_hosts(**_kwargs: object) -> list[CheckMessage]:
    """Reject the wildcard host: WebSockets would accept any origin, so another site could read a visitor's jobs."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    hint = "Name the hosts: ALLOWED_HOSTS=video.example.org"
    return [Error("ALLOWED_HOSTS=* would let every website in.", hint=hint, id="auravideo.E003")]


@register
def check_safety(**_kwargs: object) -> list[CheckMessage]:
    """Check that the safety check's module exists, without importing it: it may be heavy, and only workers need it."""
    if not settings.SAFETY_CHECK or _can_be_found(settings.SAFETY_CHECK.rpartition(".")[0]):
        return []
    hint = "AURAVIDEO_SAFETY_CHECK is a dotted path, such as mymodule.check, of something on the path of Python."
    return [Error(f"There is no {settings.SAFETY_CHECK}.", hint=hint, id="auravideo.E004")]


def _can_be_found(module: str) -> bool:
    try:
        return bool(module) and find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@register
def check_tracing(**_kwargs: object) -> list[CheckMessage]:
    """Check that what traces need is installed if they are wanted."""
    if not settings.TRACING_ENDPOINT or tracing.is_installed():
        return []
    hint = f"Run: {tracing.INSTALL}. Or unset the variable."
    text = "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed."
    return [Error(text, hint=hint, id="auravideo.E007")]
