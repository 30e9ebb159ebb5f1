"""What a browser would send from a page of the admin."""

from typing import Any

from django.http import HttpResponse


def values_of(page: HttpResponse) -> dict[str, Any]:
    """Return the values of a form that adds or changes something, without groups, permissions and inline rows."""
    form = page.context["adminform"].form
    left_out = ("groups", "user_permissions", "permissions")
    values = {
        name: value for name, value in form.initial.items() if value and name in form.fields and name not in left_out
    }
    for inline in page.context["inline_admin_formsets"]:
        management = inline.formset.management_form
        values |= {management.add_prefix(name): management.initial[name] for name in management.fields}
    return values
