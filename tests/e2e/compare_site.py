"""Batches of variations, some finished and some not, created within the site's own Django: see library_site.py."""

import json

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from gallery import lifecycle
from gallery.models import Video
from generation.domain.states import Status
from generation.models import Job
from generation.queue import services
from tests.e2e.library_site import FPS, SCENES, SECONDS, SIDE, store_clip
from tests.factories import BatchFactory, JobFactory, VideoFactory, a_request

KINDS = ("video", "poster", "thumbnail", "preview")


def fill(people: dict[str, list[str]]) -> None:
    """Give each user a batch with a row in each of the states; print the batches' IDs by user."""
    clips = [store_clip(number, scene) for number, scene in enumerate(SCENES)]
    found = {}
    for name, states in people.items():
        user = User.objects.create_user(name, f"{name}@example.org", None)
        batch = BatchFactory(user=user, axes=[], digest=f"{user.pk:064x}")
        for row, status in enumerate(states, start=1):
            quality = "draft" if row == 1 else "standard"
            asked = a_request(seed=row, width=SIDE, height=SIDE, seconds=SECONDS, fps=FPS, quality=quality)
            ended = timezone.now() if status == Status.DONE else None
            facts = {
                "status": status,
                "ended_at": ended,
                "error_id": "out-of-memory" if status == Status.FAILED else "",
            }
            job = JobFactory(user=user, batch=batch, row=row, seed=row, request=asked, **facts)
            if status == Status.DONE:
                _video(job, clips[row % len(clips)])
        found[name] = str(batch.pk)
    print(json.dumps(found))


def finish(name: str) -> None:
    """Finish the jobs of a user that are running, as a worker would: the video comes with the end of its job."""
    for job in Job.objects.filter(user__username=name, status=Status.RUNNING):
        stored = Video.objects.filter(user=job.user).first()
        files = {f"{kind}_file": getattr(stored, f"{kind}_file").name for kind in KINDS}
        with transaction.atomic():
            assert services.transition(job, Status.DONE, ended_at=timezone.now())
            _video(job, files)


@transaction.atomic
def finish_and_delete(name: str) -> None:
    """Finish the running jobs of a user, and move what came out of them to the trash before any page has shown it."""
    running = [job.pk for job in Job.objects.filter(user__username=name, status=Status.RUNNING)]
    finish(name)
    lifecycle.trash(Video.objects.filter(job__in=running))


def _video(job: Job, files: dict[str, str]) -> None:
    frames = SECONDS * FPS
    facts = {"width": SIDE, "height": SIDE, "frames": frames, "fps": FPS, "stack_key": ""}
    VideoFactory(user=job.user, job=job, request=job.request, **facts, **files)
