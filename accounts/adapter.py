"""How allauth behaves here, beyond its settings."""

from ipaddress import AddressValueError, IPv6Network

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

from accounts import services
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    def pre_login(self, request: HttpRequest, user: User, **hooks: object) -> HttpResponse | None:
        """Let who is deactivated or suspended through to the stage that says so.

        A suspension whose time has come ends here, at the latest.
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

    def get_login_stages(self) -> list[str]:
        """Ours come last: after the e-mail address and the second factor have been proved."""
        ours = ["accounts.login_stages.SuspendedStage", "accounts.login_stages.ReactivateStage"]
        return [*super().get_login_stages(), *ours]

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """To the addresses, where one that was added can now be made the main one."""
        if self.request.user == email_address.user and not email_address.primary:
            return reverse("account_email")
        return super().get_email_verification_redirect_url(email_address)

    def client_network(self, request: HttpRequest) -> str:
        """Return whom a request counts as: its IPv4 address, or the network of its IPv6 one.

        A visitor has a whole IPv6 network and could pretend to be as many; allauth's rate limits count the same way.
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
        """Without the XML declaration: it is written into the page, which needs no data: address then."""
        return qrcode.make(url, image_factory=SvgPathImage).to_string(encoding="unicode")

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Passkey") if number == 1 else _("Passkey %d") % number
