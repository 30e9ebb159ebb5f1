"""Sending one message to one browser, through its push service."""

import json
import logging
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from django.conf import settings

from accounts.models import PushSubscription
from accounts.push import endpoints, keys, services
from auravideo.core import links

logger = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600  # how long the push service keeps a message for a browser that is not running
_TIMEOUT = 5.0  # seconds to connect, and seconds without a byte
_GONE = (404, 410)  # the browser has ended its subscription (RFC 8030, section 7.3)
_LATER = (408, 425, 429)


class Unreachable(Exception):
    """The push service did not take the message, but may take it later."""


@dataclass(frozen=True)
class Message:
    """What the service worker shows (static/js/service-worker.js).

    Attributes:
        url: the path of the page that a click opens.
        tag: of several with the same tag, only the newest is shown; at most 32 characters of base64url.
    """

    title: str
    body: str
    url: str
    tag: str
    icon: str
    lang: str


def send(subscription: PushSubscription, message: Message) -> bool:
    """Send a message. Return False if the browser does not want it any more or the service refuses it.

    A subscription that has ended is forgotten.

    Raises:
        Unreachable: worth another attempt.
    """
    if not endpoints.is_allowed(subscription.endpoint, settings.PUSH_SERVICES):
        return False  # the setting was changed since
    if subscription.session != services.session_digest(subscription.user):
        services.forget(subscription.pk)
        return False
    status = _post(subscription, message)
    if status in _GONE:
        services.forget(subscription.pk)
    elif status in _LATER or status >= 500:
        raise Unreachable(f"{subscription.service} answered {status}")
    elif not 200 <= status < 300:
        logger.warning("%s refused a message to account %s: %s", subscription.service, subscription.user_id, status)
    return 200 <= status < 300


def _post(subscription: PushSubscription, message: Message) -> int:
    """Encrypt and send a message; return the status of the answer. Follows no redirects: they could lead anywhere."""
    import requests
    from py_vapid import Vapid02
    from pywebpush import WebPushException, webpush

    told = {"p256dh": subscription.p256dh, "auth": subscription.auth}
    with requests.Session() as session:
        session.max_redirects = 0
        try:
            answer = webpush(
                {"endpoint": subscription.endpoint, "keys": told},
                json.dumps(asdict(message)),
                vapid_private_key=Vapid02(keys.private_key()),
                vapid_claims={"sub": f"https://{_own_host()}"},
                headers={"Topic": message.tag, "Urgency": "normal"},
                ttl=KEPT_SECONDS,
                timeout=_TIMEOUT,
                requests_session=session,
            )
        except WebPushException as error:
            return int(error.status_code or 0)
        except requests.TooManyRedirects as error:
            return error.response.status_code if error.response is not None else 0
        except requests.RequestException as error:
            raise Unreachable(f"{subscription.service} cannot be reached: {type(error).__name__}") from error
    return int(answer.status_code)


def _own_host() -> str:
    """Return a name of this site: whom the push service tells if something is wrong with its messages."""
    own = urlsplit(links.public_origin()).hostname
    return own or next((name for name in settings.ALLOWED_HOSTS if name[0] not in "*.["), "localhost")
