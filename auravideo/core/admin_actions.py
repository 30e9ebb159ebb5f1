"""Admin list actions as buttons on the change page; each posts to the changelist.

Besides `permissions`, an action function may set `changes(request, obj)`, which hides the button where the action
would have no effect, and `is_final`: irreversible, so the button is styled as a warning.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse


def chosen(request: HttpRequest) -> str:
    """Return the name of the action that a list is asked for: of several menus, as Django's response_action does."""
    try:
        index = int(request.POST.get("index", 0))
    except ValueError:
        index = 0
    try:
        return request.POST.getlist("action")[index]
    except IndexError:
        return request.POST.get("action", "")


class ObjectActions(admin.ModelAdmin):
    """A ModelAdmin whose `everything` is the query string that shows all rows of a list filtered by default."""

    change_form_template = "admin/object_actions.html"
    everything = ""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            found: dict[str, Any] = {**self.get_actions(request)}  # the type differs in Django 6
            found.pop("delete_selected", None)  # the page has its own delete button
            context |= {
                "object_actions": [
                    {"name": name, "text": text, "is_final": getattr(function, "is_final", False)}
                    for function, name, text in found.values()
                    if _changes(function, request, obj)
                ],
                "everything": self.everything,
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


def _changes(function: Callable, request: HttpRequest, obj: Any) -> bool:
    return not hasattr(function, "changes") or function.changes(request, obj)
