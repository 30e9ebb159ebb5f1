"""Customizations of allauth beyond its settings."""

import logging
import unicodedata
from ipaddress import AddressValueError, IPv6Network, ip_address
from typing import Any

import qrcode
from allauth import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import IntegrityError, transaction
from django.forms.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from qrcode.image.svg import SvgPathImage

from accounts import second_factor_secrets, services
from accounts.joining import services as joining
from accounts.models import TOO_SIMILAR, User
from accounts.names.rules import is_reserved
from accounts.security import events, sign_ins
from accounts.security.events import Kind as Happened
from accounts.sign_in import guesses, logins, mails
from accounts.sign_in.attempts import Attempt
from accounts.sign_in.backends import hash_in_vain
from accounts.sign_in.guesses import Kind, Verdict
from auravideo.core.addresses import links
from auravideo.core.logs.once import OnceAMinute

_told = OnceAMinute(logging.getLogger(__name__))

# Tags of the message after signing out, or leaving with the account: the browser deletes what it keeps for the person.
LEFT, LEFT_FOR_GOOD = "left:draft", "left:for-good"


# One text for usernames and addresses, which also holds if the account is locked: see guesses.Verdict.REFUSED_SILENTLY.
_MISMATCH = gettext_lazy(
    "The sign-in details you specified are not correct. After several attempts, wait five minutes before the next one."
)


# What allauth would send emails about, by their templates. Ours are short, and queued (accounts.security.events).
_HAPPENED = {
    "account/email/password_changed": Happened.PASSWORD,
    "account/email/password_set": Happened.PASSWORD,
    "account/email/password_reset": Happened.RESET,
    "account/email/email_changed": Happened.EMAIL,
    "account/email/email_deleted": Happened.EMAIL_REMOVED,
    "mfa/email/totp_activated": Happened.APP_ADDED,
    "mfa/email/totp_deactivated": Happened.APP_REMOVED,
    "mfa/email/webauthn_added": Happened.PASSKEY_ADDED,
    "mfa/email/webauthn_removed": Happened.PASSKEY_REMOVED,
    "mfa/email/recovery_codes_generated": Happened.CODES,
}


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": _MISMATCH,
        "email_password_mismatch": _MISMATCH,
        "too_many_login_attempts": gettext_lazy("Too many failed attempts. Wait five minutes, then try again."),
        "username_taken": gettext_lazy("This username is taken."),
        "username_reserved": gettext_lazy(
            "This username is reserved for the operator of the site. Choose another one."
        ),
        "username_similar": TOO_SIMILAR,
    }

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        if message_template == "account/messages/logged_out.txt":
            extra_tags = LEFT
        super().add_message(request, level, message_template, message_context, extra_tags, message)

    def pre_login(self, request: HttpRequest, user: User, **hooks: object) -> HttpResponse | None:
        """Let deactivated and suspended users, and newcomers who wait, proceed to the login stage that explains it.

        Also ends a suspension that has expired, in case the scheduler has not done so yet.
        """
        if user.is_suspended and services.end_suspension_if_over(user, site=request.build_absolute_uri("/")):
            user.refresh_from_db()
        if user.is_deactivated or user.is_suspended or user.is_awaiting_approval:
            return None
        return super().pre_login(request, user, **hooks)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return joining.admission_of(request) is not None

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt, by account; allauth counts by Host header and spelling."""
        login = credentials.get("email") or credentials.get("username") or ""
        verdict, self._attempt = guesses.of_login(request, self.client_network(request), login)
        if verdict is not Verdict.OPEN:
            is_silent = verdict is Verdict.REFUSED_SILENTLY
            sign_ins.limited(request, Kind.PASSWORD, logins.find(login), is_silent=is_silent)
        if verdict is Verdict.REFUSED:
            raise self.validation_error("too_many_login_attempts")
        if verdict is Verdict.REFUSED_SILENTLY:
            for _candidate in logins.candidates(login):
                hash_in_vain(credentials["password"])
            raise self.validation_error("username_password_mismatch")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user = super().authenticate(request, **credentials)
        if user is not None:
            self._attempt.forgive()
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        login = credentials.get("email") or credentials.get("username") or ""
        sign_ins.failed(request, Kind.PASSWORD, logins.find(login))

    def login(self, request: HttpRequest, user: User) -> None:
        is_new = sign_ins.is_new_device(request, user)
        super().login(request, user)
        sign_ins.accepted(request, user, is_new=is_new)

    def reauthenticate(self, user: User, password: str) -> bool:
        """Check the password of a signed-in user, whoever else may have the same address."""
        attempt = self.count_guess(Kind.PASSWORD, user)
        is_right = user.check_password(password)
        if is_right:
            attempt.forgive()
        else:
            sign_ins.failed(self.request, Kind.PASSWORD, user)
        return is_right

    def count_guess(self, kind: Kind, user: User, error: str = "too_many_login_attempts") -> Attempt:
        """Count an attempt of somebody who has named the account. Raise ValidationError if there were too many."""
        verdict, attempt = guesses.of_user(self.request, self.client_network(self.request), kind, user)
        if verdict is not Verdict.OPEN:
            sign_ins.limited(self.request, kind, user)
            raise self.validation_error(error)
        return attempt

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """Return the name that a visitor may sign up with, in Unicode's form NFKC."""
        username = super().clean_username(unicodedata.normalize("NFKC", username), shallow=shallow)
        if is_reserved(username):
            raise self.validation_error("username_reserved")
        if not shallow and User.objects.named(username).exists():
            raise self.validation_error("username_taken")
        if not shallow and User.objects.looking_like(username).exists():
            raise self.validation_error("username_similar")
        return username

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Name the site in emails by its own address, not by the `Host` that a visitor chose."""
        name = links.name_in_email(links.origin(self.request) if self.request else "")
        super().send_mail(template_prefix, email, {"current_site": {"domain": name, "name": name}, **context})

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Record what happened to an account; its owner is told where the site sends emails."""
        if kind := _HAPPENED.get(template_prefix):
            known = context or {}
            events.record(kind, user, self.request, known.get("from_email") or known.get("deleted_email") or "")

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        """Save a new user. Who signs up with the address of somebody else gets an account as anybody would.

        But the address is not theirs: it never can be confirmed, and the holder is told (accounts.sign_in.mails).
        Raise IntegrityError if somebody else has just got the username, and joining.NotAdmitted if the site's rules
        refuse the account.
        """
        user = super().save_user(request, user, form, commit=False)
        joining.admit(request, user)
        email, is_held = user.email, logins.holder_of(user.email) is not None
        try:
            self._insert(user, "" if is_held else email)
        except IntegrityError:
            if is_held or not User.objects.filter(email=email).exists():
                raise
            self._insert(user, "")
        joining.announce(request, user)
        user.email = email  # for allauth, which goes on to store it as an unconfirmed address
        return user

    @staticmethod
    def _insert(user: User, email: str) -> None:
        user.email = email
        with transaction.atomic():
            joining.use_invitation(user)
            user.save()

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        mails.ask_for(mails.CONFIRM, emailconfirmation.email_address.pk, request)

    def get_login_stages(self) -> list[str]:
        """Append our stages after email verification and the second factor."""
        ours = ("SuspendedStage", "WaitingStage", "ReactivateStage")
        return [*super().get_login_stages(), *(f"accounts.login_stages.{stage}" for stage in ours)]

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """Redirect to the email settings, where a newly added address can now be made primary."""
        if self.request.user == email_address.user and not email_address.primary:
            return reverse("account_email")
        return super().get_email_verification_redirect_url(email_address)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address of an IPv4 client as such, also from a socket that takes both kinds (HOST=::).

        There it is written as an IPv6 address, and all of them as if they were of one network.
        """
        try:
            ip = super().get_client_ip(request)
        except ImproperlyConfigured:  # more proxies are trusted than there are
            ip = self._address_of_proxy(request)
        return str(getattr(ip_address(ip), "ipv4_mapped", None) or ip)

    @staticmethod
    def _address_of_proxy(request: HttpRequest) -> str:
        """Return the address that the connection comes from: what is left of `X-Forwarded-For`, a client may choose."""
        _told.warning(
            "TRUSTED_PROXIES=%d, but fewer proxies than that added to X-Forwarded-For. Set it to their number; until "
            "then, visitors who come through one proxy share its limits.",
            settings.ALLAUTH_TRUSTED_PROXY_COUNT,
        )
        if not (address := request.META.get("REMOTE_ADDR")):
            raise PermissionDenied
        return address

    def client_network(self, request: HttpRequest, ipv6_prefix: int = 0) -> str:
        """Return the key for rate limits: the IPv4 address, or the network of an IPv6 address.

        A visitor usually has a whole IPv6 network and could pose as that many clients. allauth counts the same way.
        Shares of what is scarce may ask for a shorter prefix.
        """
        ip = self.get_client_ip(request)
        try:
            network = IPv6Network((ip, ipv6_prefix or app_settings.RATE_LIMIT_IPV6_PREFIX), strict=False)
        except AddressValueError:
            return ip
        return ip if network.network_address.is_unspecified else str(network.network_address)

    def is_reauthentication_required(self, *, app: str, **hooks: object) -> bool:
        return app == "accounts" or super().is_reauthentication_required(app=app, **hooks)


class MFAAdapter(DefaultMFAAdapter):
    def build_totp_svg(self, url: str) -> str:
        """Return the SVG without an XML declaration, to be inlined in the page instead of using a data: URL."""
        return qrcode.make(url, image_factory=SvgPathImage).to_string(encoding="unicode")

    def encrypt(self, text: str) -> str:
        return second_factor_secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return second_factor_secrets.decrypt(encrypted_text)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Passkey") if number == 1 else _("Passkey %d") % number
