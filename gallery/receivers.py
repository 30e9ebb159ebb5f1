"""Signal receivers of the gallery, run within the sender's transaction.

Saving a video updates the search index, and the stack of a new one. Code that sets titles, publishes, deletes or
restores with a bulk update must do it itself.
"""

from django.db import transaction
from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import newcomer_waits, suspension_over
from gallery import lifecycle, stacks
from gallery.models import SearchDoc, Video
from gallery.moderation import newcomers
from gallery.moderation.services import forget_titles, keep_past, note_end_of_suspension
from generation.models import Job
from generation.queue.signals import job_done


@receiver(job_done)
def make_video(job: Job, output: dict, **_kwargs: object) -> None:
    """Create the video of a job that has just finished, in the same transaction."""
    lifecycle.create(job, output)


@receiver(newcomer_waits)
def announce_newcomer(site: str, **_kwargs: object) -> None:
    newcomers.tell_moderators(site)


@receiver(suspension_over)
def keep_history(user: User, site: str, **_kwargs: object) -> None:
    note_end_of_suspension(user, site=site)


@receiver(pre_delete, sender=Video)
def keep_reports(instance: Video, **_kwargs: object) -> None:
    keep_past(instance)


@receiver(pre_delete, sender=User)
def forget_person(instance: User, **_kwargs: object) -> None:
    forget_titles(instance)


@receiver(post_save, sender=Video)
def index_words(instance: Video, raw: bool = False, **_kwargs: object) -> None:
    if not raw:
        SearchDoc.objects.index([instance])


@receiver(post_save, sender=Video)
@transaction.atomic
def stack(instance: Video, created: bool, raw: bool = False, **_kwargs: object) -> None:
    if created and not raw:
        stacks.lock([instance.user_id])
        stacks.refresh([instance.pk])
