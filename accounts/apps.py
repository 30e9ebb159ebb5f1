import logging

from allauth.account.apps import AccountConfig
from allauth.mfa.apps import MFAConfig
from allauth.usersessions.apps import UserSessionsConfig
from django.apps import AppConfig
from django.contrib.admin import apps as administration
from django.db import connection
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger(__name__)


class AccountsConfig(AppConfig):
    default = True
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts import personal_data, receivers  # noqa: F401  connects the receivers
        from accounts.joining.personal_data import InvitationsOfPerson
        from accounts.push import sessions  # noqa: F401  likewise
        from accounts.push.personal_data import BrowsersOfPerson
        from accounts.security.personal_data import SecurityOfPerson

        personal_data.register(BrowsersOfPerson())
        personal_data.register(InvitationsOfPerson())
        personal_data.register(SecurityOfPerson())
        post_migrate.connect(_protect_second_factors, sender=self)


def _protect_second_factors(**_kwargs: object) -> None:
    """Encrypt second factors that an earlier version, or a site with another key, stored. After each migration."""
    from accounts import second_factor_secrets

    if "mfa_authenticator" not in connection.introspection.table_names():  # while the tables are being made
        return
    if count := second_factor_secrets.protect():
        logger.warning("%s second factors cannot be read with SECRET_KEY. %s", count, second_factor_secrets.FIX)


class AdministrationConfig(administration.AdminConfig):
    default = False
    default_site = "accounts.staff.site.AdminSite"


class EmailAddressesConfig(AccountConfig):
    """allauth's account app, renamed so that the admin doesn't list two "Accounts"."""

    verbose_name = _("Email addresses")


class SessionsConfig(UserSessionsConfig):
    """allauth's list of sessions. What writes it are accounts.security.sessions, in place of its own receivers."""

    verbose_name = _("Sessions")

    def ready(self) -> None:
        pass


class SecondFactorsConfig(MFAConfig):
    """allauth's MFA app, named as on the site's pages; its model has no translatable names."""

    verbose_name = _("Second factors")
    names_of_fields = {"user": _("user"), "type": _("kind"), "created_at": _("added"), "last_used_at": _("last used")}

    def ready(self) -> None:
        super().ready()
        model = self.get_model("Authenticator")._meta
        model.verbose_name, model.verbose_name_plural = _("second factor"), _("second factors")
        for field, name in self.names_of_fields.items():
            model.get_field(field).verbose_name = name
