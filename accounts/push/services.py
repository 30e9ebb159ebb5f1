"""The subscriptions of a user's browsers: kept while the user stays signed in there. The only writer of the model."""

from collections.abc import Mapping
from hashlib import sha256

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import PushSubscription, User

MOST = 10  # browsers a user; the one that was added first gives way


def session_digest(user: User) -> str:
    """Return what changes when the user's sessions end: by a new password, say, or by signing out everywhere."""
    return sha256(user.get_session_auth_hash().encode()).hexdigest()


@transaction.atomic
def subscribe(user: User, told: Mapping[str, str], language: str) -> PushSubscription:
    """Keep what a browser told of its subscription (`SubscriptionForm`). A browser belongs to one user at a time."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # so that concurrent ones are counted
    PushSubscription.objects.filter(endpoint=told["endpoint"]).delete()
    mine = PushSubscription.objects.filter(user=user).order_by("-pk")
    surplus = list(mine.values_list("pk", flat=True)[MOST - 1 :])
    PushSubscription.objects.filter(pk__in=surplus).delete()
    return PushSubscription.objects.create(user=user, language=language, session=session_digest(user), **told)


def unsubscribe(user: User, endpoint: str) -> None:
    """Forget a browser of the user's, if it is known."""
    PushSubscription.objects.filter(user=user, endpoint=endpoint).delete()


def forget(subscription_id: int) -> None:
    """Forget a subscription that has ended."""
    PushSubscription.objects.filter(pk=subscription_id).delete()


def of(user_id: int) -> QuerySet[PushSubscription]:
    """Return the subscriptions of a user; none if the site sends no messages."""
    found = PushSubscription.objects.filter(user=user_id)
    return found if settings.PUSH_SERVICES else found.none()
