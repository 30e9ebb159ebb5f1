"""The create page: one form in two modes, and the ways to fill it. Only `create` queues anything.

Every other action (switching modes, loading a preset, dropping a file) posts the whole form and returns it changed, so
nothing typed is lost, with or without JavaScript.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import reselect, reswap, retarget

from accounts import limits
from accounts.http import SignedInRequest, SignedInUpload
from auravideo.core.media.video_metadata import read_settings
from auravideo.core.uploads import bounded_upload
from generation.batches import variations
from generation.create import create_from, feed, feed_views, prefill, summaries, sweep_form, unsent
from generation.create.carried_over import is_seed_alone, kept_of
from generation.create.forms import ADVANCED, MODES, SIMPLE, CreateForm
from generation.create.prefill import Prefill
from generation.create.unsent import Unsent
from generation.presets import services as presets
from generation.presets.forms import PresetNameForm
from generation.queue.loading import ahead
from generation.quotas import checks
from generation.quotas.allowance import Allowance
from generation.quotas.selectors import Standing, allowance_of, standing_of
from generation.requests import available
from generation.requests.choices import in_quality
from generation.requests.fields import MAX_PROMPT
from generation.requests.qualities import QUALITIES
from generation.requests.request import InvalidRequest

MAX_FILE_BYTES = 64 * 2**20
MODE_KEY = "create-mode"  # session key: the mode used last

# What the form holds, for the draft that the browser keeps: nothing yet, so that the draft may fill it; what a link
# gave, which is no draft before it is changed; or what was typed.
BLANK, GIVEN, TYPED = "blank", "given", "typed"


@unsent.keeps_form
@require_http_methods(["GET", "POST"])
def create(request: SignedInRequest) -> HttpResponse:
    """Show the form, or queue one clip per variation and, with htmx, add its card to the page's feed."""
    mode = _mode(request)
    if request.method == "GET":
        if typed := unsent.take(request):
            form, notes = _as_typed(request, typed)
            return _page(request, form, notes, sweep=sweep_form.typed(typed.sweep, form))
        form, notes = _start(request, mode)
        if _is_in_full(request):
            return _page(request, form, notes, "generation/create_in_full.html")
        return _page(request, form, notes, draft=GIVEN if form.initial else BLANK)
    form = _posted(request, mode)
    if form.is_valid():
        if not limits.may_submit(request):
            if request.htmx:
                return limits.refusal()
            form.add_error(None, limits.too_fast())
            return limits.refused(_page(request, form))
        try:
            jobs = variations.submit(request.user, form.requests)
        except InvalidRequest as error:
            _add_errors(form, error)
        else:
            return feed_views.queued(request, jobs)
    return _in_place(request, _page(request, form))


@unsent.keeps_form
def edit(request: SignedInRequest) -> HttpResponse:
    """Return the form as typed: in another mode (?to=), with a preset (?preset=) or without kept settings (?forget)."""
    mode, to = _mode(request), request.GET.get("to")
    if request.method != "POST":
        return redirect("generation:create")
    values, allowance = prefill.posted(request.POST), allowance_of(request.user)
    if to == "many":
        context = {"form": prefill.many(values, allowance), "mode": to, "standing": _standing(request, allowance)}
        return render(request, "generation/create_many.html", context)
    notes: list[str] = []
    if request.GET.get("preset"):
        found = _from_preset(request, allowance)
        values, notes = {**_prompt_of(values), **found.values}, found.notes
    if "forget" in request.GET:
        values = prefill.without_kept(values)
    if to in MODES and to != mode:
        values = prefill.switched(values, to, available.offer(allowance.limits))
        mode = _remember(request, to)
    return _page(request, _form(values, mode, allowance), notes=notes)


@unsent.keeps_form
@require_POST
@bounded_upload(MAX_FILE_BYTES)
def from_file(request: SignedInUpload) -> HttpResponse:
    """Return the form with the settings of an AuraVideo video file; as typed, with an error, for any other file."""
    mode, typed = _mode(request), prefill.posted(request.POST)
    problem, found, allowance = "", Prefill(), allowance_of(request.user)
    file = request.FILES.get("video_file")
    if request.files_too_large:
        problem = _too_large()
    elif file is None:
        problem = _("Choose a video file first.")
    elif not limits.may_read_file(request):
        problem = limits.too_fast()
    else:
        stored = _request_in(file)
        if stored is None:
            problem = _("This file has no settings: it was not made by AuraVideo, or another program changed it.")
        else:
            found = prefill.from_request(stored, available.offer(allowance.limits))
    if problem:
        return _page(request, _form(typed, mode, allowance), file_problem=problem)
    messages.success(request, _("Settings loaded from the file."))
    return _page(request, _form(found.values, mode, allowance), notes=found.notes)


def _too_large() -> str:
    return _("This file is larger than %s MB; no clip of this site is that large.") % (MAX_FILE_BYTES // 2**20)


@unsent.keeps_form
@require_POST
def summary(request: SignedInRequest) -> HttpResponse:
    """Return the summary fragment for the current form, requested as the user types."""
    if refused := limits.beyond(request, "summary"):
        return refused
    form = _posted(request, _mode(request))
    return render(request, "generation/partials/summary.html", {**_summary(form, request), "is_live": True})


@unsent.keeps_form
@require_POST
def save_preset(request: SignedInRequest) -> HttpResponse:
    """Save the form's settings as a preset and show the form again."""
    mode = _mode(request)
    form = _posted(request, mode)
    naming = PresetNameForm(request.POST)
    outline = form.outline()
    if not outline:
        form.errors.pop("prompt", None)  # presets store no prompt, so it may be empty
        return _page(request, form, naming=naming)
    shown: PresetNameForm | None = naming
    if naming.is_valid():
        name = naming.cleaned_data["preset_name"]
        try:
            _preset, is_new = presets.save(request.user, name, outline[0])
        except presets.TooManyPresets as error:
            naming.add_error("preset_name", str(error))
        else:
            text = _("The preset %s was saved.") if is_new else _("The preset %s was updated.")
            messages.success(request, text % name)
            shown = None
    return _page(request, _form(prefill.posted(request.POST), mode, form.allowance), naming=shown)


def _mode(request: SignedInRequest) -> str:
    """Return the mode named in the query string, or else the one used last."""
    asked = request.GET.get("mode")
    return _remember(request, asked) if asked in MODES else request.session.get(MODE_KEY, SIMPLE)


def _remember(request: SignedInRequest, mode: str) -> str:
    if request.session.get(MODE_KEY) != mode:  # avoid a needless session write
        request.session[MODE_KEY] = mode
    return mode


def _form(values: Mapping[str, Any], mode: str, allowance: Allowance) -> CreateForm:
    initial = prefill.fitted(values, available.offer(allowance.limits)) if values else {}
    return CreateForm(mode=mode, initial=initial, allowance=allowance)


def _posted(request: SignedInRequest, mode: str) -> CreateForm:
    return CreateForm(request.POST, mode=mode, allowance=allowance_of(request.user))


def _add_errors(form: CreateForm, error: InvalidRequest) -> None:
    """Show why nothing was queued, at the field that a quota concerns; what is not about a field, above the form."""
    for name, texts in error.errors.items():
        for text in texts:
            form.add_error(name if name in form.fields and name != "prompt" else None, str(text))


def _as_typed(request: SignedInRequest, typed: Unsent) -> tuple[CreateForm, list[str]]:
    """Return the form that was posted after the session had expired, and a note that it still has to be sent."""
    form = _form(typed.values, _remember(request, typed.mode), allowance_of(request.user))
    return form, [_("You had been signed out. The form is as you left it; nothing was queued.")]


def _in_place(request: SignedInRequest, response: HttpResponse) -> HttpResponse:
    """Let htmx take only the form out of the page, with its complaints; the feed below it stays."""
    if not request.htmx:
        return response
    return reswap(reselect(retarget(response, "#create-form"), "#create-form > *"), "innerHTML")


def _start(request: SignedInRequest, mode: str) -> tuple[CreateForm, list[str]]:
    """Return the initial form and notes, from ?from=, ?video= or ?preset=, then ?prompt= and ?quality=."""
    stored, plan = create_from.find_with_plan(request.user, request.GET) or (None, None)
    allowance = allowance_of(request.user)
    offer = available.offer(allowance.limits)
    found = prefill.from_request(stored, offer) if stored is not None else Prefill()
    if request.GET.get("preset"):
        found = _from_preset(request, allowance)
    if request.GET.get("prompt"):
        found.values["prompt"] = request.GET["prompt"][:MAX_PROMPT]
    if (quality := request.GET.get("quality")) in QUALITIES:
        found.values = in_quality(found.values, quality, offer)
    form = _form(found.values, mode, allowance)
    if stored is not None and _is_whole(stored):
        if quality and not summaries.draws_same_noise(stored, form, plan):
            found.notes.append(_("In this quality, the same seed gives a different composition than before."))
        elif not quality and summaries.is_planned_otherwise(stored, form, plan):
            note = _("Clips like this are now made at another size, so the same seed gives a different composition.")
            found.notes.append(note)
    return form, found.notes


def _is_in_full(request: SignedInRequest) -> bool:
    """Return whether an earlier clip is to be made again in another quality, and nothing else is to be decided."""
    asked = request.GET
    if asked.get("quality") not in QUALITIES or "change" in asked:
        return False
    stored = create_from.find(request.user, asked)
    return stored is not None and _is_whole(stored)


def _is_whole(stored: Mapping[str, Any]) -> bool:
    """Return whether a clip can be repeated: the owner of somebody else's may keep its words and seed to themselves."""
    return {"prompt", "negative_prompt", "seed"} <= stored.keys()


def _from_preset(request: SignedInRequest, allowance: Allowance) -> Prefill:
    try:
        id = UUID(request.GET["preset"])
    except ValueError:
        raise Http404 from None
    found = get_object_or_404(presets.visible_presets(request.user), pk=id)
    return prefill.from_request(found.settings, available.offer(allowance.limits))


def _prompt_of(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"prompt": values["prompt"]} if "prompt" in values else {}


def _request_in(file: UploadedFile) -> Mapping[str, Any] | None:
    """Return the request in a video file's metadata, or None if AuraVideo did not write any."""
    found = read_settings(cast(BinaryIO, file.file)) or {}
    stored = found.get("request")
    return stored if "auravideo" in found and isinstance(stored, Mapping) else None


def _page(
    request: SignedInRequest,
    form: CreateForm,
    notes: list[str] | None = None,
    template: str = "generation/create.html",
    **context: Any,
) -> HttpResponse:
    values = form.values()
    kept = kept_of(values, form) if form.mode == SIMPLE else []
    return render(
        request,
        template,
        {
            "form": form,
            "mode": form.mode,
            "is_advanced": form.mode == ADVANCED,
            "presets": presets.visible_presets(request.user),
            "naming": PresetNameForm(),
            "typed_by": unsent.typed_by(request.user),
            "draft": TYPED,
            "most_bytes": MAX_FILE_BYTES,
            "too_large": _too_large(),
            "cards": feed.newest(request.user),
            "recent_prompts": feed.recent_prompts(request.user),
            "kept": kept,
            "keeps_seed": is_seed_alone(kept, values),
            "has_errors": form.is_bound and bool(form.errors),
            "notes": notes or [],
            "sweep": sweep_form.typed(request.POST, form),
            **_summary(form, request),
            **{name: value for name, value in context.items() if value is not None},
        },
    )


def _standing(request: SignedInRequest, allowance: Allowance) -> Standing | None:
    """Return what is left of a user's quotas; None for users without any, whose pages say nothing of them."""
    return standing_of(request.user, allowance) if allowance.is_limited else None


def create_page(request: SignedInRequest, form: CreateForm, sweep: sweep_form.SweepForm) -> HttpResponse:
    """Return the page as it was posted, with what is wrong with it and with the sweep."""
    return _page(request, form, sweep=sweep)


def _summary(form: CreateForm, request: SignedInRequest) -> dict[str, Any]:
    """Return the context of the summary template. Who reads it describes a clip, so its models may be loaded now."""
    is_simple = form.mode == SIMPLE
    summary = summaries.summarise(form, request.user)
    if summary is not None:
        ahead.ask_for_form(summary.request, summary.plan)
    standing = _standing(request, form.allowance)
    return {
        "standing": standing,
        "refusals": list(checks.refused(standing, form.outline())) if standing is not None else [],
        "mode": form.mode,
        "summary": summary,
        "costs": summaries.costs(form) if is_simple else {},
        "form": form,
    }
