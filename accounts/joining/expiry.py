"""The end of newcomers who stay new: nobody decides about them, or they do not confirm their address.

Otherwise they would hold a name and an address forever, and a flood of them the moderators' list.
"""

import logging

from accounts.joining import services
from accounts.models import User
from auravideo.core.addresses import links

logger = logging.getLogger(__name__)

AT_ONCE = 100  # in one sweep: each may be an email


def end_of_undecided() -> int:
    """Delete those whose time is over, up to AT_ONCE. Return how many."""
    _begin()
    waiting, unconfirmed = (users.order_by("newcomer_until")[:AT_ONCE] for users in services.over())
    site = links.public_origin()
    done = sum(services.expire(user, site) for user in waiting)
    done += sum(services.expire_unconfirmed(user) for user in unconfirmed[: AT_ONCE - done])
    if done:
        logger.info("%s newcomers were deleted: nobody had decided about them, or they had not confirmed", done)
    return done


def _begin() -> None:
    """Give the whole time to those who wait without an end: a process of an earlier version has let them in."""
    User.objects.awaiting_approval().filter(newcomer_until=None).update(newcomer_until=services.end_of_time())
