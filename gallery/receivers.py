"""What the gallery does when something else happens, within the same transaction.

What is saved is found by its words from then on; who updates titles or publishes by a query tells the search itself.
"""

from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import suspension_over
from gallery import lifecycle
from gallery.models import SearchDoc, Video
from gallery.moderation.services import note_end_of_suspension
from generation.models import Job
from generation.queue.signals import job_done


@receiver(job_done)
def make_video(job: Job, output: dict, **_kwargs: object) -> None:
    """A finished job announces itself, and has its video as soon as it is done."""
    lifecycle.create(job, output)


@receiver(suspension_over)
def keep_history(user: User, site: str, **_kwargs: object) -> None:
    note_end_of_suspension(user, site=site)


@receiver(post_save, sender=Video)
def index_words(instance: Video, raw: bool = False, **_kwargs: object) -> None:
    if not raw:
        SearchDoc.objects.index([instance])
