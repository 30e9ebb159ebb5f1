"""Signal receivers that affect what users are told: on their open pages, and in browsers without one."""

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import session_ended, sessions_ended
from generation.domain.states import NEWS, Status
from generation.endings import services as endings
from generation.models import Job
from generation.queue import events
from generation.queue.signals import job_ended


@receiver([user_logged_out, sessions_ended, session_ended])
def hang_up(user: User | None, **_kwargs: object) -> None:
    """Disconnect the user's open pages after a sign-out or a password change, in case someone else had access."""
    if user is not None:
        events.hang_up(user.pk)


@receiver(job_ended)
def tell_browsers(job: Job, status: Status, **_kwargs: object) -> None:
    """Tell the owner's browsers about a clip that is ready or failed."""
    if status in NEWS:
        endings.announce(job)
