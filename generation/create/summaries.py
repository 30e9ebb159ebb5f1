"""What a request will become: its plan, as the workers will follow it, and how long that takes on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Subquery, Window
from django.db.models.functions import Coalesce, Least

from accounts.models import User
from auravideo.core.forms import choices_of
from generation.catalogue import vocabulary
from generation.create.forms import CreateForm
from generation.domain.errors import warning_text
from generation.domain.plan import Plan, plan
from generation.domain.states import ACTIVE, Status
from generation.jobs.selectors import estimate
from generation.models import Job
from generation.queue import services
from generation.requests import available
from generation.requests.fields import MAX_PROMPT
from generation.requests.request import RenderRequest

SAMPLE = 20  # jobs whose work is added up; of a longer queue, the rest is taken to be like them


@dataclass(frozen=True)
class Queue:
    """What is done before a new clip of a person: `jobs`, and the `seconds` of work that they are."""

    jobs: int
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What a quality is: its `short_side` in pixels, its `fps`, and `seconds` of work for one clip."""

    short_side: int
    fps: int
    seconds: float


@dataclass(frozen=True)
class Summary:
    """One request's `plan`, `seconds` of work for each of its `clips`, and `notes` on words that will not show."""

    request: RenderRequest
    plan: Plan
    seconds: float
    clips: int
    queue: Queue
    notes: tuple[str, ...] = ()

    @property
    def all_seconds(self) -> float:
        return self.seconds * self.clips

    @property
    def base_size(self) -> str:
        """The size at which frames are generated."""
        return _in_words(self.plan.base_width, self.plan.base_height)

    @property
    def upscaled_size(self) -> str:
        """The size after upscaling, before it is fitted to the one asked for."""
        return _in_words(self.plan.base_width * self.plan.upscale, self.plan.base_height * self.plan.upscale)

    @property
    def size(self) -> str:
        """The size of the clip."""
        return _in_words(self.plan.width, self.plan.height)

    @property
    def is_fitted(self) -> bool:
        """Whether the upscaled frames have to be resized and cropped."""
        return self.upscaled_size != self.size


def _in_words(width: int, height: int) -> str:
    return f"{width}\u00a0×\u00a0{height}"


def summarise(form: CreateForm, user: User | None = None) -> Summary | None:
    """The summary of a filled form, valid or not yet; None where something in it is wrong."""
    requests = form.outline()
    if not requests:
        return None
    request = requests[0]
    model = available.catalogue().models[request.model]
    queue = queue_for(user) if user is not None else Queue(0, 0.0)
    typed = str(form["prompt"].value() or "")[:MAX_PROMPT]
    read = replace(request, prompt=typed).engine_prompt if typed.strip() else ""
    notes = [warning_text(note) for note in vocabulary.warnings(read, model, settings.HOME)] if read else []
    return Summary(request, plan(request, model), estimate(request), len(requests), queue, tuple(notes))


def draws_same_noise(stored: Mapping[str, Any], form: CreateForm) -> bool:
    """Whether a seed gives the same composition in what the form makes as in what was made before."""
    summary = summarise(form)
    earlier = RenderRequest.from_dict(stored)
    if summary is None or earlier.model != summary.request.model:
        return False
    try:
        before = plan(earlier, available.catalogue().models[earlier.model])
    except ValueError:  # the catalogue was changed since
        return False
    return all(
        getattr(before, name) == getattr(summary.plan, name) for name in ("base_width", "base_height", "base_frames")
    )


def costs(form: CreateForm) -> dict[str, Cost]:
    """What each quality that the form offers would be; empty where something else in it is wrong."""
    found = {}
    for quality, _label in choices_of(form, "quality"):
        if requests := form.outline(quality=quality):
            request = requests[0]
            found[quality] = Cost(min(request.width, request.height), request.fps, estimate(request))
    return found


def queue_for(user: User) -> Queue:
    """What the workers do before a clip that this person would add now."""
    # One query: a page asks for this at every key that is pressed.
    mine = Job.objects.filter(user=user, status=Status.QUEUED).order_by().values("status").annotate(n=Count("*"))
    priority = Least(Coalesce(Subquery(mine.values("n")), 0), services.MAX_PRIORITY)
    before = Job.objects.filter(Q(status=Status.RUNNING) | Q(priority__lte=priority), status__in=ACTIVE)
    sample = list(before.annotate(in_all=Window(Count("*"))).only("request")[:SAMPLE])
    if not sample:
        return Queue(0, 0.0)
    return Queue(sample[0].in_all, sum(map(_seconds_of, sample)) / len(sample) * sample[0].in_all)


def _seconds_of(job: Job) -> float:
    """The work of a job; none where the catalogue was changed since, for it will fail at once."""
    try:
        return estimate(job.render_request)
    except (KeyError, ValueError):
        return 0.0
