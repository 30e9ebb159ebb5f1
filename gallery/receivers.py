"""A finished job announces itself; the gallery makes its video, within the transaction that ends the job.

What is saved is found by its words from then on; who updates titles or publishes by a query tells the search itself.
"""

from django.db.models.signals import post_save
from django.dispatch import receiver

from gallery import services
from gallery.models import SearchDoc, Video
from generation.models import Job
from generation.signals import job_done


@receiver(job_done)
def make_video(job: Job, output: dict, **_kwargs: object) -> None:
    services.create(job, output)


@receiver(post_save, sender=Video)
def index_words(instance: Video, raw: bool = False, **_kwargs: object) -> None:
    if not raw:
        SearchDoc.objects.index([instance])
