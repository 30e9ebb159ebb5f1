"""The audit log of the administration: Django's log entries, with what Django itself does not record.

Django records what its forms add, change and delete. Actions of lists and pages of our own are recorded here.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http.response import HttpResponseBase

from accounts.http import SignedInRequest
from accounts.models import SecurityEvent
from auravideo.core.admin_actions import chosen

MOST = 100  # objects of one action that get an entry of their own
_BY_DJANGO = ("_add", "_change", "_delete", "_changelist")


def note(request: SignedInRequest, view: Callable, response: HttpResponseBase) -> None:
    """Record an action that was carried out, after which the browser is sent on."""
    if request.method != "POST" or response.status_code != HTTPStatus.FOUND or not request.user.is_authenticated:
        return  # nothing was done, or somebody has signed out
    owner = getattr(view, "__self__", None)
    name = chosen(request)
    url_name = request.resolver_match.url_name or "" if request.resolver_match else ""
    if name and name != "delete_selected":
        if isinstance(owner, ModelAdmin) and (found := owner.get_actions(request).get(name)):
            _write(request, owner, request.POST.getlist("_selected_action"), str(found[2]))
    elif not url_name.endswith(_BY_DJANGO) and url_name != "auth_user_password_change":
        facts = {"object_repr": url_name, "action_flag": CHANGE, "change_message": request.path}
        LogEntry.objects.create(user_id=request.user.pk, **facts)


def lines() -> Iterator[dict]:
    """Yield the whole log: what staff did, and who signed in as staff or failed to sign in; each oldest first."""
    for entry in LogEntry.objects.select_related("user", "content_type").order_by("pk").iterator():
        yield {
            "at": entry.action_time,
            "who": entry.user.get_username(),
            "what": ("", "added", "changed", "deleted")[entry.action_flag],
            "model": entry.content_type.model if entry.content_type else "",
            "object": entry.object_id,
            "name": entry.object_repr,
            "details": entry.get_change_message(),
        }
    events = SecurityEvent.objects.exclude(user__is_staff=False).select_related("user").order_by("pk")
    for event in events.iterator():
        yield {
            "at": event.at,
            "who": event.user.get_username() if event.user else None,
            "what": event.kind,
            "address": event.ip,
            "browser": event.user_agent,
            "details": event.detail,
        }


def _write(request: SignedInRequest, owner: ModelAdmin, keys: list[str], text: str) -> None:
    """Record an action of a list: with an entry for each row, up to MOST, and one for the list if there were more."""
    facts = {
        "user_id": request.user.pk,
        "content_type": ContentType.objects.get_for_model(owner.model),
        "action_flag": CHANGE,
        "change_message": text,
    }
    named = keys[:MOST]
    names = {str(found.pk): str(found)[:200] for found in owner.model._default_manager.filter(pk__in=named)}
    entries = [LogEntry(object_id=key, object_repr=names.get(key, key[:200]), **facts) for key in named]
    if len(keys) > MOST or request.POST.get("select_across", "0") not in ("", "0"):
        entries.append(LogEntry(object_repr=request.get_full_path()[:200], **facts))
    LogEntry.objects.bulk_create(entries)
