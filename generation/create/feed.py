"""What stands below the create form: the cards of the newest clips, and the prompts used last."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from generation.jobs.fragments import job_context
from generation.jobs.selectors import listed_jobs_of, place_all
from generation.models import Job
from generation.requests.fields import TEMPLATES

MAX_CARDS = 8  # as many as one submission can make
FRESH = timedelta(hours=1)  # ended clips queued before that are left to the queue page and the library
MAX_PROMPTS = 8
READ_FOR_PROMPTS = 64  # jobs; variations and repeated attempts share a prompt


def newest(user: User) -> list[dict]:
    """Return the contexts of the cards to start with, newest first: unfinished clips and those of the last hour."""
    # Sliced before it is filtered, so that the index is read and not all jobs of somebody who has not come for long.
    jobs, since = listed_jobs_of(user)[:MAX_CARDS], timezone.now() - FRESH
    return _cards(job for job in jobs if job.is_active or job.queued_at >= since)


def of_jobs(user: User, job_ids: Collection[UUID]) -> list[dict]:
    """Return the contexts of the cards of some of a user's jobs, newest first."""
    return _cards(listed_jobs_of(user).filter(pk__in=job_ids))


def recent_prompts(user: User) -> list[str]:
    """Return the different prompts of a user's newest jobs, last used first. Jobs removed from the list don't count."""
    jobs = Job.objects.filter(user=user, removed_at=None).order_by("-created_at")
    found = jobs.values_list("request__prompt", f"request__{TEMPLATES['prompt']}")[:READ_FOR_PROMPTS]
    prompts = (template or prompt for prompt, template in found)
    return list(dict.fromkeys(prompt for prompt in prompts if prompt))[:MAX_PROMPTS]


def _cards(jobs: Iterable[Job]) -> list[dict]:
    return [job_context(job) for job in place_all(jobs)]
