"""The page of the administration on which staff approve files of the inbox."""

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from generation.inbox import folder, services
from generation.inbox.reasons import Refused
from generation.requests import available

KINDS = {
    "models": gettext_lazy("checkpoint"),
    "adapters": gettext_lazy("motion modules"),
    "loras": gettext_lazy("camera move (motion LoRA)"),
    "styles": gettext_lazy("style (LoRA)"),
    "vaes": gettext_lazy("VAE"),
    "embeddings": gettext_lazy("textual inversion"),
}


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the files in the inbox, what each is or why it is refused, and what was approved."""
    _require_permission(request)
    files = [
        {"file": file, "kind": KINDS[file.found.kind] if file.found else None}
        for file in folder.dropped(settings.HOME)
    ]  # fmt: skip
    context = {
        **admin.site.each_context(request),
        "title": _("Inbox"),
        "folder": folder.inbox(settings.HOME),
        "files": files,
        "most": folder.MOST_FILES if len(files) == folder.MOST_FILES else None,
        "approved": [
            {**found, "kind": KINDS.get(found["kind"])}
            for found in services.approvals(settings.HOME, available.catalogue())
        ],
    }
    return render(request, "admin/inbox.html", context)


@require_POST
def approve(request: HttpRequest) -> HttpResponse:
    """Let a file be used. This hashes it, which takes seconds for a checkpoint."""
    _require_permission(request)
    name = request.POST.get("name", "")
    try:
        id = services.approve(settings.HOME, settings.CATALOGUE_FILE or None, name)
    except Refused as reason:
        messages.error(request, f"{name}: {reason.text}")
    else:
        command = services.command(settings.HOME, available.catalogue(), id)
        text = _("Approved: %(name)s, as %(id)s. Fetch what it needs besides with: %(command)s")
        text = text if command else _("The file %(name)s can be used now, as %(id)s.")
        messages.success(request, text % {"name": name, "id": id, "command": command})
    return redirect("admin-inbox")


@require_POST
def withdraw(request: HttpRequest) -> HttpResponse:
    """Take an approval back."""
    _require_permission(request)
    id = request.POST.get("id", "")
    try:
        path = services.withdraw(settings.HOME, settings.CATALOGUE_FILE or None, id)
    except Refused as reason:
        messages.error(request, f"{id}: {reason.text}")
    else:
        messages.success(request, _("The file %(name)s is in the inbox again.") % {"name": path.name})
    return redirect("admin-inbox")


def _require_permission(request: HttpRequest) -> None:
    if not request.user.has_perm(folder.PERMISSION):
        raise PermissionDenied
