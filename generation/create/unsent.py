"""The create form of somebody whose session has expired, kept until they have signed in again.

It waits in the anonymous session of the browser, which signing in takes over. A signature says whose page it was typed
into, so strangers store nothing and whoever signs in next in the same browser never sees it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.signing import BadSignature, Signer
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.http import SignedInRequest
from accounts.models import User
from generation.create import prefill, sweep_form
from generation.create.forms import MODES, SIMPLE

KEY = "create-unsent"  # of the session
FIELD = "typed_by"  # of the form
MOST_BYTES = 30_000  # of JSON; a form with two prompts of the greatest length has less

P = ParamSpec("P")
View = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]

_signer = Signer(salt="generation.create.unsent")


@dataclass(frozen=True)
class Unsent:
    """What somebody had typed, unvalidated, and the form's mode."""

    values: dict[str, Any]
    mode: str
    sweep: dict[str, Any]


def typed_by(user: User) -> str:
    """Return the value of the form's field `FIELD`."""
    return _signer.sign(str(user.pk))


def keeps_form(view: View[P]) -> View[P]:
    """Require signing in, like `login_required`, without losing the form that was posted."""
    protected = login_required(view)

    @wraps(view)
    def guarded(request: SignedInRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated or request.method != "POST":
            return protected(request, *args, **kwargs)
        _keep(request)
        return redirect_to_login(reverse("generation:create"))

    return guarded


def take(request: SignedInRequest) -> Unsent | None:
    """Return what this user had typed before signing in, once."""
    found = request.session.pop(KEY, None)
    if found is None or found["user"] != str(request.user.pk):
        return None
    return Unsent(found["values"], found["mode"], found.get("sweep", {}))


def _keep(request: SignedInRequest) -> None:
    user = _author(request.POST)
    values, sweep = prefill.posted(request.POST), sweep_form.posted(request.POST)
    if user and len(json.dumps([values, sweep])) <= MOST_BYTES:
        mode = request.GET.get("mode")
        mode = mode if mode in MODES else SIMPLE
        request.session[KEY] = {"user": user, "values": values, "mode": mode, "sweep": sweep}


def _author(data: Mapping[str, Any]) -> str:
    """Return the ID of the user whose page the form is from; '' if it is from none of ours."""
    try:
        return _signer.unsign(data.get(FIELD, ""))
    except BadSignature:
        return ""
