"""A demo site: users, jobs in every state, videos with real files. Deterministic, and loads no model.

Every clip goes through the real code (submit, claim, finish, assemble); only its frames are drawn instead of
generated. Used by `manage.py seed_demo`, the screenshots and the browser tests.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from auravideo.demo import library as demo_library
from auravideo.demo import moderation as demo_moderation
from gallery.models import Screened, Video, VideoTag, Visibility
from gallery.moderation import services as moderation
from gallery.sharing import services as sharing
from generation.domain.errors import RenderError
from generation.domain.plan import Chunk, Plan
from generation.domain.states import RunStatus, Stage
from generation.models import Batch, Job, StageRun
from generation.presets import services as presets
from generation.queue import claims, estimates, services
from generation.requests import available
from generation.requests.request import parse
from workers import assembly, frame_store, media
from workers.tiny.world.scenes import Scene, draw

WORKER = "demo"
BATCH, PRESET = "evening.txt", "Upright and calm"
PREVIEW_SIDE, PREVIEW_FRAMES, PREVIEW_FPS = 96, 16, 8


@dataclass(frozen=True)
class Person:
    name: str
    full_name: str
    is_staff: bool = False
    is_superuser: bool = False


@dataclass(frozen=True)
class Clip:
    """One clip: its request, the scene its video shows, and its state."""

    owner: str
    prompt: str
    scene: Scene
    width: int = 384
    height: int = 216
    seconds: int = 2
    fps: int = 16
    format: str = "mp4"
    state: str = "done"
    row: int | None = None  # row in the owner's batch
    hours_ago: float = 1.0
    visibility: Visibility = Visibility.PRIVATE
    tags: tuple[str, ...] = ()
    liked_by: tuple[str, ...] = ()
    is_picked: bool = False


PEOPLE = (
    Person("ada", "Ada Kowalska"),
    Person("ben", "Ben Okafor"),
    Person("staff", "Sam Rivera", is_staff=True),
    Person("admin", "Robin Nowak", is_staff=True, is_superuser=True),
)
CLIPS = (
    Clip(
        "ada",
        "a large red heart rising over the sea",
        Scene("heart", "red", "large", "rising", "sea", 3),
        hours_ago=70,
        visibility=Visibility.PUBLIC,
        tags=("heart", "sea", "morning"),
        liked_by=("ben", "staff", "admin"),
        is_picked=True,
    ),
    Clip(
        "ada",
        "a small yellow star circling in a starry night",
        Scene("star", "yellow", "small", "circling", "starry night", 5),
        256,
        256,
        3,
        format="webm",
        hours_ago=50,
        visibility=Visibility.PUBLIC,
        tags=("star", "night"),
        liked_by=("ben",),
    ),
    Clip(
        "ada",
        "a large blue square spinning in the desert",
        Scene("square", "blue", "large", "spinning", "desert", 7),
        320,
        216,
        hours_ago=49,
        visibility=Visibility.UNLISTED,
        tags=("desert",),
    ),
    Clip(
        "ada",
        "a pink circle bouncing over a meadow, seen from far away, on a bright and quiet morning in early summer",
        Scene("circle", "pink", "small", "bouncing", "meadow", 9),
        216,
        384,
        hours_ago=30,
    ),
    Clip(
        "ada",
        "a large purple triangle falling at sunset",
        Scene("triangle", "purple", "large", "falling", "sunset", 11),
        seconds=1,
        hours_ago=26,
    ),
    Clip(
        "ada",
        "a small cyan cross moving right on black",
        Scene("cross", "cyan", "small", "moving right", "black", 13),
        192,
        192,
        1,
        8,
        "gif",
        hours_ago=9,
    ),
    Clip(
        "ada",
        "a large orange circle falling over the sea",
        Scene("circle", "orange", "large", "falling", "sea", 15),
        hours_ago=5,
    ),
    Clip(
        "ada",
        "a small white moon over a city, rain on the windows",
        Scene("circle", "yellow", "small", "still", "starry night", 17),
        state="cancelled",
        hours_ago=3,
        row=1,
    ),
    Clip(
        "ada",
        "a large green star growing in a starry night",
        Scene("star", "green", "large", "growing", "starry night", 19),
        512,
        288,
        10,
        32,
        state="failed",
        hours_ago=2,
        row=2,
    ),
    Clip(
        "ada",
        "a large red heart spinning at sunset",
        Scene("heart", "red", "large", "spinning", "sunset", 21),
        state="running",
        hours_ago=0.05,
        row=3,
    ),
    Clip(
        "ada",
        "a small green triangle moving left over a meadow",
        Scene("triangle", "green", "small", "moving left", "meadow", 23),
        state="queued",
        hours_ago=0.04,
        row=4,
    ),
    Clip(
        "ben",
        "a large yellow star falling into the sea",
        Scene("star", "yellow", "large", "falling", "sea", 25),
        hours_ago=20,
        visibility=Visibility.PUBLIC,
        tags=("star", "sea"),
        liked_by=("ada", "staff"),
    ),
    Clip(
        "ben",
        "a large purple heart circling at sunset",
        Scene("heart", "purple", "large", "circling", "sunset", 29),
        216,
        384,
        hours_ago=44,
        visibility=Visibility.PUBLIC,
        tags=("heart", "evening", "slow-motion"),
        is_picked=True,
    ),
    Clip(
        "ben",
        "a small green star bouncing over a meadow",
        Scene("star", "green", "small", "bouncing", "meadow", 31),
        256,
        256,
        hours_ago=12,
        visibility=Visibility.PUBLIC,
        liked_by=("ada",),
    ),
    Clip(
        "ben",
        "a small blue heart bouncing in the desert",
        Scene("heart", "blue", "small", "bouncing", "desert", 27),
        state="queued",
        hours_ago=0.03,
    ),
)


def names_taken() -> list[str]:
    """Return the demo usernames that somebody on this site has, apart from `administrators_kept`."""
    taken = set(User.objects.filter(username__in=[person.name for person in PEOPLE]).values_list("username", flat=True))
    return sorted(taken - set(administrators_kept()))


def administrators_kept() -> list[str]:
    """Return the demo's administrators that exist: `createsuperuser` often makes an `admin` too, who may stay."""
    names = [person.name for person in PEOPLE if person.is_superuser]
    return sorted(User.objects.filter(username__in=names, is_superuser=True).values_list("username", flat=True))


def seed(password: str, report: Callable[[str], object] = lambda line: None) -> None:
    """Create the users, jobs and videos. `report` is called with one line per clip."""
    kept = {name: User.objects.get(username=name) for name in administrators_kept()}
    people = {person.name: kept.get(person.name) or _make_person(person, password) for person in PEOPLE}
    for clip in CLIPS:
        with transaction.atomic():
            job = _make_clip(clip, people[clip.owner])
            _share(clip, job, people)
        report(f"{clip.state}: {clip.prompt}")
    _make_preset(people["ada"])
    demo_library.seed(people)
    demo_moderation.seed(people)


def _make_person(person: Person, password: str) -> User:
    email = f"{person.name}@example.org"
    rights = {"is_staff": person.is_staff, "is_superuser": person.is_superuser, "full_name": person.full_name}
    user = User.objects.create_user(person.name, email, password, **rights)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    EmailAddress.objects.create(user=user, email=f"{person.name}@example.net")
    return user


def _make_clip(clip: Clip, user: User) -> Job:
    asked = {name: getattr(clip, name) for name in ("prompt", "width", "height", "seconds", "fps", "format")}
    request = parse({**asked, "seed": clip.scene.seed}, available.catalogue(), available.limits())
    job = services.submit(user, request, batch=_batch_of(user) if clip.row else None, row=clip.row, within_quotas=False)
    plan = job.render_plan
    seconds = {unit: estimates.seconds(*unit, plan, request) for unit in plan.units}  # before the job joins the history
    _STATES[clip.state](clip, job, plan)
    _date_back(job, timedelta(hours=clip.hours_ago), seconds)
    return job


def _share(clip: Clip, job: Job, people: Mapping[str, User]) -> None:
    """Publish the video an hour after it was made, and add its likes."""
    # Drawn here, so known to be harmless; and not every demo site has a worker that could look.
    Video.objects.filter(job=job).update(screening=Screened.PASSED)
    video = Video.objects.filter(job=job).first()
    if video is None or clip.visibility == Visibility.PRIVATE:
        return
    sharing.set_visibility(video, clip.visibility)
    sharing.set_tags(video, clip.tags)
    for name in clip.liked_by:
        sharing.like(people[name], video)
    if clip.is_picked:
        moderation.pick(people["staff"], video)
    if video.published_at:
        then = video.created_at + timedelta(hours=1)
        Video.objects.filter(pk=video.pk).update(published_at=then)
        VideoTag.objects.filter(video=video).update(published_at=then)


def _batch_of(user: User) -> Batch:
    digest = hashlib.sha256(BATCH.encode()).hexdigest()
    return Batch.objects.get_or_create(user=user, digest=digest, defaults={"name": BATCH})[0]


def _make_preset(user: User) -> None:
    asked = {"prompt": "-", "width": 216, "height": 384, "seconds": 3, "fps": 16}
    presets.save(user, PRESET, parse(asked, available.catalogue(), available.limits()))


def _finish(clip: Clip, job: Job, plan: Plan) -> None:
    *units, _assemble = plan.units
    for stage, chunk in units:
        claims.finish(_claim(job, stage, chunk), {})
    last = _claim(job, Stage.ASSEMBLE)
    with tempfile.TemporaryDirectory() as folder:
        output = assembly.build(job, plan, partial(_drawn, clip.scene, plan), Path(folder), lambda *_progress: None)
    claims.finish(last, output)


def _run(clip: Clip, job: Job, _plan: Plan) -> None:
    """Leave the job mid-generation, most of its steps done, with a preview that is still noisy."""
    claims.finish(_claim(job, Stage.PREPROCESS), {})
    claims.beat(_claim(job, Stage.GENERATE), 10, 16)
    clean = draw(clip.scene, np.arange(PREVIEW_FRAMES) / PREVIEW_FPS, PREVIEW_SIDE * 9 // 16, PREVIEW_SIDE)
    noise = np.random.default_rng(clip.scene.seed).normal(0, 45, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    frame_store.write_preview(job.pk, media.animated_preview(noisy))
    Job.objects.filter(pk=job.pk).update(previewed_at=1)


def _fail(_clip: Clip, job: Job, _plan: Plan) -> None:
    claims.finish(_claim(job, Stage.PREPROCESS), {})
    error = RenderError("out-of-memory")
    claims.fail(_claim(job, Stage.GENERATE), error.id, error.context)


_STATES: dict[str, Callable[[Clip, Job, Plan], object]] = {
    "done": _finish,
    "running": _run,
    "failed": _fail,
    "cancelled": lambda _clip, job, _plan: services.cancel(job),
    "queued": lambda _clip, _job, _plan: None,
}


def _claim(job: Job, stage: Stage, chunk: int = 0) -> StageRun:
    held = claims.claim(job.pk, job.run, stage, chunk, WORKER)
    if held is None:
        raise RuntimeError(f"{stage} of {job.pk} cannot be claimed")
    return held


def _drawn(scene: Scene, plan: Plan, chunks: Sequence[Chunk]) -> Iterator[np.ndarray]:
    """Yield the finished frames of some chunks: uint8 [F, H, W, 3] each."""
    for chunk in chunks:
        start = sum(before.frames for before in plan.chunks[: chunk.index])
        yield draw(scene, np.arange(start, start + chunk.frames) / plan.fps, plan.height, plan.width)


def _date_back(job: Job, age: timedelta, seconds: Mapping[tuple[Stage, int], float]) -> None:
    """Backdate a job and its video by `age`, each stage taking its estimated `seconds`."""
    begun = moment = timezone.now() - age
    for run in job.stage_runs.order_by("pk"):
        ended = moment + timedelta(seconds=seconds[Stage(run.stage), run.chunk])
        is_running = run.status == RunStatus.RUNNING
        job.stage_runs.filter(pk=run.pk).update(started_at=moment, ended_at=None if is_running else ended)
        moment = ended
    present = Job.objects.get(pk=job.pk)
    Job.objects.filter(pk=job.pk).update(
        created_at=begun,
        queued_at=begun,
        started_at=present.started_at and begun,
        ended_at=present.ended_at and moment,
    )
    if hasattr(present, "video"):
        type(present.video).objects.filter(pk=present.video.pk).update(created_at=moment)
