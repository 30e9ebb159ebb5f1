"""Refusals of what goes beyond a quota. Each says what to do, at the field that it concerns."""

from datetime import datetime

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from auravideo.core.templatetags.moments import moment_text
from generation.requests.request import OWN_SECONDS, OWN_SIDE, InvalidRequest


class NotNow(InvalidRequest):
    """A refusal that is not about the request: later, it may be accepted."""


class TooManyJobs(NotNow):
    """A refusal: the user would exceed the limit on active jobs."""

    def __init__(self, active: int, limit: int) -> None:
        text = _(
            "At most %(limit)s of your clips can wait or render at a time; %(active)s do now. Wait for some to finish, "
            "or cancel some."
        )
        super().__init__({"prompt": [text % {"limit": limit, "active": active}]})


class NoSecondsLeft(NotNow):
    """A refusal: the seconds of video of the last 24 hours are used up; `free_at` is when there are enough again."""

    def __init__(self, needed: int, left: int, quota: int, free_at: datetime) -> None:
        text = _(
            "This needs %(needed)s s of video, and you have %(left)s s left until %(moment)s. "
            "Choose a shorter length or fewer clips, or wait."
        )
        if left == 0:
            text = _(
                "You have used all of your %(quota)s s of video in 24 hours. "
                "This needs %(needed)s s, which are free on %(moment)s."
            )
        facts = {"needed": needed, "left": left, "quota": quota, "moment": moment_text(free_at)}
        super().__init__({"seconds": [text % facts]})
        self.needed, self.left, self.quota, self.free_at = needed, left, quota, free_at


class NoStorageLeft(NotNow):
    """A refusal: the user's clips, with those that are being made, would take up more than they may. In bytes."""

    def __init__(self, needed: int, used: int, coming: int, quota: int) -> None:
        text = _(
            "Your clips take up %(used)s of the %(quota)s that you may keep, and this needs about %(needed)s. Delete "
            "clips that you no longer need%(trash)s."
        )
        if coming:
            text = _(
                "Your clips take up %(used)s of the %(quota)s that you may keep, those being made need about "
                "%(coming)s, and this needs about %(needed)s. Delete clips that you no longer need%(trash)s."
            )
        trash = _(", and then empty the trash, which counts until it is empty") if settings.UNDO_MINUTES else ""
        sizes = {"needed": needed, "used": used, "coming": coming, "quota": quota}
        facts = {name: filesizeformat(size) for name, size in sizes.items()}
        super().__init__({"prompt": [text % {**facts, "trash": trash}]})


def none_allowed() -> InvalidRequest:
    """Return the refusal of every clip."""
    return InvalidRequest({"prompt": [_("Your account may not make clips. Ask the people who run this site.")]})


def never_enough(needed: int, quota: int) -> InvalidRequest:
    """Return the refusal of more seconds than the user may ever make in a day."""
    text = _(
        "This needs %(needed)s s of video, and you may make %(quota)s s in 24 hours. Choose a shorter length or fewer "
        "clips."
    )
    return InvalidRequest({"seconds": [text % {"needed": needed, "quota": quota}]})


def too_long(limit: int) -> InvalidRequest:
    """Return the refusal of a clip of more than `limit` seconds."""
    return InvalidRequest({"seconds": [OWN_SECONDS % limit]})


def too_large(limit: int) -> InvalidRequest:
    """Return the refusal of a clip whose longer side has more than `limit` pixels."""
    return InvalidRequest({"short_side": [OWN_SIDE % limit]})
