"""The actions of an administration list, on the page of one object as well: a button each, sent to the list.

The function of an action may say more of it, as `permissions` does: `changes(request, obj)`, whether it would change
anything, since it is not offered where it would not; and `is_final`, whether it cannot be undone, which is seen.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse


class ObjectActions(admin.ModelAdmin):
    """A ModelAdmin. `everything` is the query by which its list shows every row, where it usually filters."""

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
            found: dict[str, Any] = {**self.get_actions(request)}  # Django 6 has another type for an action
            found.pop("delete_selected", None)  # the page has a button of its own for it
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
