"""Whether what people share reaches others, for the doctor."""

from django.conf import settings
from django.db import DatabaseError

from auravideo.doctor.findings import Check, NotApplicable, Problem, State
from gallery.models import OwnCheck


def own_check() -> str:
    """Check that the operator's own safety check can look at what is shared."""
    if not settings.SAFETY_CHECK:
        raise NotApplicable("AURAVIDEO_SAFETY_CHECK is not set")
    try:
        failing = OwnCheck.failing().count()
    except DatabaseError as error:
        raise NotApplicable("the database does not answer, or lacks migrations") from error
    if failing:
        fix = "The log of the workers of the queue cpu has the error. After three attempts, moderators decide."
        what = f"{settings.SAFETY_CHECK} could not look at {failing} shared clips"
        raise Problem(what, fix, State.WARNING)
    return f"{settings.SAFETY_CHECK} can look at what is shared"


CHECKS: list[Check] = [("own safety check", own_check)]
