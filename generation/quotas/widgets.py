"""The list of lengths: it shows those that only the user's quota refuses, so that they know what it costs them."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from generation.requests.limits import Limits


def lengths(limits: Limits, longest: int | None = None) -> list[tuple[int, Any]]:
    """Return the choices of a length in seconds: all that the site allows and, up to `longest`, the model makes."""
    more = _("%s s (more than your account allows)")
    most = settings.MAX_SECONDS if longest is None else min(longest, settings.MAX_SECONDS)
    return [(n, (_("%s s") if n <= limits.max_seconds else more) % n) for n in range(1, most + 1)]


class LengthSelect(forms.Select):
    """A list of lengths in which those beyond `limits` cannot be chosen."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.most = limits.max_seconds

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if int(value) > self.most:
            option["attrs"]["disabled"] = True
        return option
