"""The way back in for somebody who has lost a second factor."""

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts import services
from accounts.models import User
from accounts.security import events
from accounts.security.events import Kind


@transaction.atomic
def reset_second_factor(user: User) -> int:
    """Remove the second factors of a user, and end the sessions. Return how many there were."""
    count, _by_model = Authenticator.objects.filter(user=user).delete()
    if count:
        services.end_sessions(user)
        events.record(Kind.FACTORS_RESET, user, None, "command line")
    return count
