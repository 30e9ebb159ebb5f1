"""What people do while a clip is rendered: cancel it, take it up again, delete it."""

from tests.chaos.plan import Kind, Planned
from tests.chaos.world import NotNow, World

CANCEL = """
from generation.models import Job
from generation.queue import services
job = Job.objects.get(pk={job!r})
print(services.cancel(job), services.retry(Job.objects.get(pk={job!r})) if {again} else "")
"""


def cancel_and_retry(world: World, planned: Planned) -> None:
    running = world.running(planned.stage)
    if running is None:
        raise NotNow
    try:
        done = world.ask(CANCEL.format(job=running[0], again=True))
    except NotNow:  # perhaps in between
        world.cancelled.add(running[0])
        raise
    assert done in ("True True", "False False")


DELETE = """
from gallery import lifecycle
from gallery.models import Video
for video in Video.objects.filter(job_id={job!r}, deleted_at=None):
    print(lifecycle.delete(video))
"""


def delete(world: World, _planned: Planned) -> None:
    """Delete a clip of a round before for good."""
    job = world.take_finished()
    try:
        world.ask(DELETE.format(job=job))
    except NotNow:
        world.give_back()
        raise


KINDS = (
    Kind("a clip is cancelled and taken up again at once", cancel_and_retry),
    Kind("a clip is deleted for good", delete),
)
