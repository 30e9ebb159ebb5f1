"""A finished job announces itself; the gallery makes its video, within the transaction that ends the job."""

from django.dispatch import receiver

from gallery import services
from generation.models import Job
from generation.signals import job_done


@receiver(job_done)
def make_video(job: Job, output: dict, **_kwargs: object) -> None:
    services.create(job, output)
