"""Emails about passwords, addresses and new accounts, sent by the `cpu` queue.

A page that asks for one takes the same time whether the address is registered or not: who gets what is found out here,
later. Messages carry no links that open an account; they are made here, too.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from smtplib import SMTPException

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation

from accounts.joining.models import OPEN_TO_ALL, JoiningRules
from accounts.models import SecurityEvent, User
from accounts.security.browsers import browser_of
from accounts.sign_in import attempts, logins
from accounts.sign_in.attempts import Bucket
from auravideo.core import publish
from auravideo.core.addresses import links

logger = logging.getLogger(__name__)

MAIL_TASK = "accounts.tasks.send_mail"
MAIL_ERRORS = (SMTPException, OSError)
RESET_SECONDS = 60  # within which an account gets one email about its password, however often the button is pressed
UNKNOWN_A_DAY = Bucket("emails to unknown addresses", 200, 24 * 3600)  # of all visitors: they reach people elsewhere
UNKNOWN_SHARE = 10  # one network gets so small a part of these
ASKED_SECONDS = 3600  # for which it is known who asked for a password; the message may wait
TOLD_SECONDS = 3600  # how often, at most, people hear that somebody entered their address

RESET = "reset"  # of the password of an address
CONFIRM = "confirm"  # a row of EmailAddress
SECURITY = "security"  # a row of SecurityEvent
SIGNED_UP = "signed-up"  # the same, where addresses are not confirmed
APPROVED = "approved"  # an account, by its ID
DECLINED = "declined"  # an address whose account is being deleted
EXPIRED = "expired"  # the same, because nobody has decided about it


def are_sent() -> bool:
    """Return whether emails reach anybody: without EMAIL_URL, they are printed."""
    return not settings.EMAIL_BACKEND.endswith(".console.EmailBackend")


def ask_for(kind: str, what: str | int, request: HttpRequest | None) -> None:
    """Queue an email: `what` is an address, or the ID of a row of a model. If the broker is down, send it now."""
    site = request.build_absolute_uri("/") if request else links.public_origin()
    queue(kind, what, site, translation.get_language())


def ask_for_password(email: str, request: HttpRequest) -> None:
    """Queue an email about a password, and remember which network asks: workers of earlier versions take no more."""
    cache.set(_asked_by(email), get_adapter().client_network(request, attempts.SHARED_IPV6_PREFIX), ASKED_SECONDS)
    ask_for(RESET, email, request)


def _asked_by(email: str) -> str:
    return f"accounts.asked-by:{sha256(email.encode()).hexdigest()}"


def queue(kind: str, what: str | int, site: str, language: str) -> None:
    """Queue an email that leads to `site`, the base URL. If the broker is down, send it now."""
    args = (kind, what, site, language)
    if publish.attempt(partial(publish.send_task, MAIL_TASK, *args), f"an email of the kind {kind}"):
        return
    try:
        send(*args)
    except MAIL_ERRORS as error:
        logger.warning("An email of the kind %s could not be sent: %s", kind, error)


def send(kind: str, what: str | int, site: str, language: str) -> None:
    """Send an email in the language that its reader has chosen, or else in that of the page that asked for it.

    Raise one of MAIL_ERRORS if the server fails.
    """
    with translation.override(language):
        _KINDS[kind](what, site)


def _reset(email: str, site: str) -> None:
    users = _who_may_reset(email)
    if not users:
        _tell_unknown(email, site)
    for user in users:
        with _once(f"accounts.reset:{user.pk}", RESET_SECONDS) as is_first, _in_language_of(user):
            if is_first:
                key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
                url = reverse("account_reset_password_from_key", kwargs=key)
                _write("password_reset_key", email, site, user=user, username=user.username, password_reset_url=url)


def _tell_unknown(email: str, site: str) -> None:
    """Tell whoever asked for a password that there is no account, as long as this does not become a flood."""
    if full := attempts.take(_unknown_from(cache.get(_asked_by(email), ""))).full:
        logger.warning("No email to an unknown address: %s were sent in a day (%s)", full.limit, full.name)
        return
    signup_url = reverse("account_signup") if JoiningRules.current().effective in OPEN_TO_ALL else ""
    _write("unknown_account", email, site, **({"signup_url": signup_url} if signup_url else {}))


def _unknown_from(network: str) -> list[Bucket]:
    """Return what counts emails to unknown addresses that a network asked for; this machine needs no share."""
    if not network or ip_address(network).is_loopback:
        return [UNKNOWN_A_DAY]
    share = max(1, UNKNOWN_A_DAY.limit // UNKNOWN_SHARE)
    return [UNKNOWN_A_DAY, Bucket(f"{UNKNOWN_A_DAY.name}|{network}", share, UNKNOWN_A_DAY.seconds)]


@contextmanager
def _once(key: str, seconds: int) -> Iterator[bool]:
    """Give True to the first caller in `seconds`, and to the next one if that one fails."""
    is_first = cache.add(key, True, timeout=seconds)
    try:
        yield is_first
    except Exception:
        if is_first:
            cache.delete(key)
        raise


def _who_may_reset(email: str) -> list[User]:
    """Return whose password an address can change: its holder's alone, else everybody's who has it.

    Deactivated users need a password to come back, suspended ones to read why, newcomers once they are approved.
    """
    holder = logins.holder_of(email)
    users = [holder] if holder else list(User.objects.filter(emailaddress__email=email.lower()).distinct())
    return [user for user in users if user.is_active or _may_come_back(user)]


def _may_come_back(user: User) -> bool:
    return user.is_deactivated or user.is_suspended or user.is_awaiting_approval


def _confirm(address_id: int, site: str, *, is_signing_up: bool = False) -> None:
    address = EmailAddress.objects.select_related("user").filter(pk=address_id, verified=False).first()
    if address is None:
        return
    holder = logins.holder_of(address.email)
    if holder is not None and holder != address.user:
        with _in_language_of(holder):
            _tell_holder(address.email, site)
    elif not is_signing_up:
        url = reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key])
        with _in_language_of(address.user):
            _write("email_confirmation", address.email, site, user=address.user, activate_url=url)


def _in_language_of(user: User) -> AbstractContextManager:
    """Whoever enters an address need not be its reader."""
    return translation.override(user.language or translation.get_language())


def _tell_holder(email: str, site: str) -> None:
    """Tell somebody that their address was entered for another account, which never gets to confirm it."""
    if cache.add(f"accounts.told:{sha256(email.encode()).hexdigest()}", True, timeout=TOLD_SECONDS):
        urls = {"password_reset_url": reverse("account_reset_password"), "signup_url": reverse("account_signup")}
        _write("account_already_exists", email, site, **urls)


def _approved(user_id: int, site: str) -> None:
    user = User.objects.filter(pk=user_id, is_active=True).exclude(email="").first()
    if user is not None:
        with _in_language_of(user):
            _write("approved", user.email, site, username=user.username, login_url=reverse("account_login"))


def _declined(email: str, site: str) -> None:
    _write("declined", email, site)


def _expired(email: str, site: str) -> None:
    _write("expired", email, site)


def _security(event_id: int, site: str) -> None:
    """Tell somebody what happened to their account: at the former address, if it was the address that changed."""
    event = SecurityEvent.objects.select_related("user").filter(pk=event_id, user__isnull=False).first()
    if event is None or event.user is None or event.user.is_being_deleted:
        return
    email = event.detail if event.kind == SecurityEvent.Kind.EMAIL else event.user.email
    if not email or logins.holder_of(email) not in (event.user, None):
        return
    with _in_language_of(event.user):
        values = {"event": event, "user": event.user, "browser": str(browser_of(event.user_agent))}
        _write("security", email, site, **values, security_url=reverse("accounts:security"))


_KINDS: dict[str, Callable] = {
    RESET: _reset,
    CONFIRM: _confirm,
    SECURITY: _security,
    SIGNED_UP: partial(_confirm, is_signing_up=True),
    APPROVED: _approved,
    DECLINED: _declined,
    EXPIRED: _expired,
}


def _write(template: str, email: str, site: str, **values: object) -> None:
    """Send one email; values that are paths of the site, named `..._url`, become links, or "" without a site."""
    urls = {name: links.in_email(site, str(value)) for name, value in values.items() if name.endswith("_url")}
    values = {"email": email, "current_site": {"domain": links.name_in_email(site)}, **values, **urls}
    get_adapter().render_mail(f"account/email/{template}", email, values).send()
