"""Summary of a request before it is queued: the workers' plan, and its estimated time on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from accounts.models import User
from auravideo.core.forms import choices_of
from generation.catalogue import vocabulary
from generation.create.forms import CreateForm
from generation.domain.errors import warning_text
from generation.domain.plan import Plan, plan
from generation.domain.states import ACTIVE
from generation.jobs.selectors import estimate, loading_seconds
from generation.models import Job
from generation.queue import placement, turns
from generation.requests import available
from generation.requests.fields import MAX_PROMPT
from generation.requests.request import RenderRequest

SAMPLE = 20  # jobs whose work is summed; a longer queue is extrapolated from their mean


@dataclass(frozen=True)
class Queue:
    """The queue ahead of a user's next clip: the number of `jobs` and their `seconds` of work."""

    jobs: int
    seconds: float


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
        return _in_words(self.plan.base_width * self.plan.upscale, self.plan.base_height * self.plan.upscale)

    @property
    def size(self) -> str:
        """Return the size of the clip."""
        return _in_words(self.plan.width, self.plan.height)

    @property
    def is_fitted(self) -> bool:
        """Return whether the upscaled frames have to be resized and cropped."""
        return self.upscaled_size != self.size


def _in_words(width: int, height: int) -> str:
    return f"{width}\u00a0×\u00a0{height}"


def summarise(form: CreateForm, user: User | None = None) -> Summary | None:
    """Return the summary of a form, even without a prompt; None if any other field is invalid."""
    requests = form.outline()
    if not requests:
        return None
    request = requests[0]
    model = available.catalogue().models[request.model]
    queue = queue_for(user) if user is not None else Queue(0, 0.0)
    typed = str(form["prompt"].value() or "")[:MAX_PROMPT]
    read = replace(request, prompt=typed).engine_prompt if typed.strip() else ""
    notes = [warning_text(note) for note in vocabulary.warnings(read, model, settings.HOME)] if read else []
    made = plan(request, model)
    if (missing := placement.nobody_there(made.stages)) is not None:
        notes.insert(0, placement.without_worker(missing))
    elif too_large := placement.no_room(request, made.stages):
        notes.insert(0, too_large)
    loading = loading_seconds(request, made.stages)
    return Summary(request, made, estimate(request), len(requests), queue, tuple(notes), loading)


def draws_same_noise(stored: Mapping[str, Any], form: CreateForm) -> bool:
    """Return whether the same seed gives the form's clip the same composition as the stored request."""
    summary = summarise(form)
    earlier = RenderRequest.from_dict(stored)
    if summary is None or earlier.model != summary.request.model:
        return False
    try:
        before = plan(earlier, available.catalogue().models[earlier.model])
    except ValueError:  # the catalogue has changed since
        return False
    return all(
        getattr(before, name) == getattr(summary.plan, name) for name in ("base_width", "base_height", "base_frames")
    )


def costs(form: CreateForm) -> dict[str, Cost]:
    """Return the cost of each quality that the form offers; empty if any other field is invalid."""
    found = {}
    for quality, _label in choices_of(form, "quality"):
        if requests := form.outline(quality=quality):
            request = requests[0]
            found[quality] = Cost(min(request.width, request.height), request.fps, estimate(request))
    return found


def queue_for(user: User) -> Queue:
    """Return the work that the workers would do before a clip that this user queued now."""
    # Two queries, since the page requests this on every keystroke.
    line = turns.line()
    ahead = line.clips_before(user.pk)
    if not ahead:
        return Queue(0, 0.0)
    sample = Job.objects.filter(status__in=ACTIVE).order_by("queued_at").only("request")[:SAMPLE]
    seconds = [_seconds_of(job) for job in sample]
    return Queue(ahead, sum(seconds) / max(1, len(seconds)) * ahead)


def _seconds_of(job: Job) -> float:
    """Return a job's seconds of work; 0 if the catalogue has changed since, as the job will fail at once."""
    try:
        return estimate(job.render_request)
    except (KeyError, ValueError):
        return 0.0
