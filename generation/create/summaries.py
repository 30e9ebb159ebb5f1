"""Summary of a request before it is queued: the workers' plan, and its estimated time on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from accounts.models import User
from auravideo.core.forms import choices_of
from generation.catalogue import vocabulary
from generation.catalogue.load import BaseModel
from generation.create import card_fit
from generation.create.forms import CreateForm
from generation.domain.errors import warning_text
from generation.domain.plan import Plan, plan
from generation.domain.shapes import Size, native_size_for
from generation.jobs import forecast
from generation.jobs.selectors import estimate, loading_seconds
from generation.queue import placement
from generation.queue.pausing import state
from generation.requests import available, prompts
from generation.requests.fields import MAX_PROMPT
from generation.requests.request import RenderRequest


@dataclass(frozen=True)
class Queue:
    """The queue ahead of a user's next clip: the number of `jobs`, and the `seconds` until it begins.

    `ready` is the seconds until the last of the user's new clips is ready; None if no worker is there.
    """

    jobs: int
    seconds: float
    ready: float | None = None
    is_paused: bool = False  # by the user
    is_site_paused: bool = False  # with all rendering


@dataclass(frozen=True)
class Cost:
    """The cost of a quality: `short_side` in pixels, `fps`, and `seconds` of work per clip."""

    short_side: int
    fps: int
    seconds: float


@dataclass(frozen=True)
class Summary:
    """A request's `plan`, the `seconds` of work for each of its `clips`, and `notes` to read beforehand.

    `loading` is the seconds that it takes once to load the models that no worker holds.
    """

    request: RenderRequest
    plan: Plan
    seconds: float
    clips: int
    queue: Queue
    notes: tuple[str, ...] = ()
    loading: float = 0.0
    is_native: bool = False  # made at the size that the model was trained at for this shape

    @property
    def all_seconds(self) -> float:
        return self.seconds * self.clips

    @property
    def base_size(self) -> str:
        """Return the size at which frames are generated."""
        return _in_words(self.plan.base_width, self.plan.base_height)

    @property
    def upscaled_size(self) -> str:
        """Return the size after upscaling, before resizing to the requested one."""
        return _in_words(*self._made)

    @property
    def size(self) -> str:
        """Return the size of the clip."""
        return _in_words(*self._asked)

    @property
    def is_fitted(self) -> bool:
        """Return whether the upscaled frames have to be scaled or cropped."""
        return self.is_scaled or self.is_cropped

    @property
    def is_scaled(self) -> bool:
        """Return whether the upscaled frames are scaled to cover the clip."""
        return max(asked / made for asked, made in zip(self._asked, self._made, strict=True)) != 1

    @property
    def is_cropped(self) -> bool:
        """Return whether the upscaled frames have another shape than the clip, so that some of them is cut off."""
        (width, height), (made_width, made_height) = self._asked, self._made
        return width * made_height != height * made_width

    @property
    def _made(self) -> Size:
        return self.plan.base_width * self.plan.upscale, self.plan.base_height * self.plan.upscale

    @property
    def _asked(self) -> Size:
        return self.plan.width, self.plan.height


def _in_words(width: int, height: int) -> str:
    return f"{width}\u00a0×\u00a0{height}"


def summarise(form: CreateForm, user: User | None = None) -> Summary | None:
    """Return the summary of a form, even without a prompt; None if any other field is invalid."""
    requests = form.outline()
    if not requests:
        return None
    request = requests[0]
    model = available.catalogue().models[request.model]
    typed = str(form["prompt"].value() or "")[:MAX_PROMPT]
    notes = _notes(replace(request, prompt=typed), model)
    made = plan(request, model)
    if (missing := placement.nobody_there(made.stages)) is not None:
        notes.insert(0, placement.without_worker(missing))
    elif too_large := placement.no_room(request, made.stages):
        notes.insert(0, too_large)
    elif slower := card_fit.slower(request, made):
        notes.insert(0, slower)
    queue = queue_for(user, requests) if user is not None else Queue(0, 0.0)
    loading = loading_seconds(request, made.stages)
    native = native_size_for(request.width, request.height, model.native_sizes) == (made.base_width, made.base_height)
    return Summary(request, made, estimate(request), len(requests), queue, tuple(notes), loading, native)


def _notes(request: RenderRequest, model: BaseModel) -> list[str]:
    """Return what the model will not understand of the prompts as far as they are typed."""
    notes: list[str] = []
    lists = available.lists()
    for text in filter(None, (request.engine_prompt.strip(), request.negative_prompt)):
        notes += prompts.faults(text, model, request.seconds, request.fps, lists=lists)
        notes += [warning_text(warning) for warning in prompts.warnings(text, model)]
    if read := prompts.plain(request.engine_prompt).strip():
        notes += [warning_text(note) for note in vocabulary.warnings(read, model, settings.HOME)]
    return notes


def draws_same_noise(stored: Mapping[str, Any], form: CreateForm, made: Mapping[str, Any] | None = None) -> bool:
    """Return whether the same seed gives the form's clip the same composition as the stored request.

    Args:
        made: the stored plan with which that was rendered, if it is known: the catalogue may have changed since.
    """
    summary = summarise(form)
    try:
        earlier = RenderRequest.from_dict(stored)
        if summary is None or earlier.model != summary.request.model:
            return False
        before = Plan.from_dict(made) if made else plan(earlier, available.catalogue().models[earlier.model])
    except ValueError:  # stored by another version, or the catalogue has changed since
        return False
    return _noise(before) == _noise(summary.plan)


def is_planned_otherwise(stored: Mapping[str, Any], form: CreateForm, made: Mapping[str, Any] | None) -> bool:
    """Return whether the form's clip is the stored one, but has other noise, as the catalogue has changed since."""
    requests = form.outline()
    try:
        earlier = RenderRequest.from_dict(stored)
        if not made or not requests or any(getattr(earlier, name) != getattr(requests[0], name) for name in _PLANNED):
            return False
        return _noise(Plan.from_dict(made)) != _noise(available.plan_for(earlier))
    except ValueError:  # stored by another version
        return False


_PLANNED = ("model", "width", "height", "seconds", "fps")  # what a plan depends on


def _noise(made: Plan) -> tuple[int, int, int]:
    return made.base_width, made.base_height, made.base_frames


def costs(form: CreateForm) -> dict[str, Cost]:
    """Return the cost of each quality that the form offers; empty if any other field is invalid."""
    found = {}
    for quality, _label in choices_of(form, "quality"):
        if requests := form.outline(quality=quality):
            request = requests[0]
            found[quality] = Cost(min(request.width, request.height), request.fps, estimate(request))
    return found


def queue_for(user: User, requests: Sequence[RenderRequest]) -> Queue:
    """Return what the workers would do before clips that this user queued now, and when those would be ready."""
    now = forecast.present()
    before = now.line.clips_before(user.pk)
    times = now.next(user.pk, [(request, available.plan_for(request)) for request in requests])
    paused, site_paused = user.queue_paused_at is not None, state.is_on()
    ready = times.ready if now.workers and not (paused or site_paused) else None
    return Queue(before, times.start if before else 0.0, ready, paused, site_paused)
