"""Customizations of allauth beyond its settings."""

from ipaddress import AddressValueError, IPv6Network
from typing import Any
from urllib.parse import urlsplit

import qrcode
from allauth import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathImage

from accounts import second_factor_secrets, services
from accounts.models import User
from auravideo.core import links

# Tags of the message after signing out, or leaving with the account: the browser deletes what it keeps for the person.
LEFT, LEFT_FOR_GOOD = "left:draft", "left:for-good"


class AccountAdapter(DefaultAccountAdapter):
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
        """Let deactivated and suspended users proceed to the login stage that explains it.

        Also ends a suspension that has expired, in case the scheduler has not done so yet.
        """
        if user.is_suspended and services.end_suspension_if_over(user, site=request.build_absolute_uri("/")):
            user.refresh_from_db()
        if user.is_deactivated or user.is_suspended:
            return None
        return super().pre_login(request, user, **hooks)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        username = super().clean_username(username, shallow=shallow)
        if not shallow and User.objects.named(username).exists():
            raise self.validation_error("username_taken")
        return username

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Name the site in emails by its own address, not by the `Host` that a visitor chose."""
        address = links.origin(self.request) if self.request else links.public_origin()
        name = urlsplit(address).netloc
        super().send_mail(template_prefix, email, {"current_site": {"domain": name, "name": name}, **context})

    def get_login_stages(self) -> list[str]:
        """Append our stages after email verification and the second factor."""
        ours = ["accounts.login_stages.SuspendedStage", "accounts.login_stages.ReactivateStage"]
        return [*super().get_login_stages(), *ours]

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """Redirect to the email settings, where a newly added address can now be made primary."""
        if self.request.user == email_address.user and not email_address.primary:
            return reverse("account_email")
        return super().get_email_verification_redirect_url(email_address)

    def client_network(self, request: HttpRequest) -> str:
        """Return the key for rate limits: the IPv4 address, or the network of an IPv6 address.

        A visitor usually has a whole IPv6 network and could pose as that many clients. allauth counts the same way.
        """
        ip = self.get_client_ip(request)
        try:
            network = IPv6Network((ip, app_settings.RATE_LIMIT_IPV6_PREFIX), strict=False)
        except AddressValueError:
            return ip
        return str(network.network_address)

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
