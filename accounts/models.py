"""Who a person is. Everything else in the project points at `User`."""

import re
from collections.abc import Collection
from typing import ClassVar, cast

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import connection, models
from django.db.models import Q, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

# People sign in with either name or e-mail address, and allauth takes whatever holds an "@" for an address: a user
# name with one could never sign in, and could pose as somebody else's address.
validate_username = RegexValidator(
    r"^[\w.+-]+\Z",
    _("A username may contain only letters, digits and . + - _"),
    code="invalid",
)


def languages() -> list[tuple[str, str]]:
    """Return the languages of the site. A function, so that a new one needs no migration."""
    return settings.LANGUAGES


class Theme(models.TextChoices):
    DARK = "dark", _("Dark")
    LIGHT = "light", _("Light")


class UserQuerySet(models.QuerySet["User"]):
    def present(self) -> "UserQuerySet":
        """People whose public things may be shown: neither deactivated, nor being deleted, nor switched off."""
        return self.filter(is_active=True)

    def deactivated(self) -> "UserQuerySet":
        """People who switched their account off and may come back; not while they are suspended as well."""
        return self.switched_off().filter(deactivated_at__isnull=False, suspended_at=None)

    def suspended(self) -> "UserQuerySet":
        """People whose account moderation has switched off."""
        return self.switched_off().filter(suspended_at__isnull=False)

    def switched_off(self) -> "UserQuerySet":
        """People whose account is shut, and may be open again one day."""
        return self.filter(is_active=False, deletion_requested_at__isnull=True)

    def named(self, username: str) -> "UserQuerySet":
        """Who has this user name, whatever its case.

        SQLite knows the case of ASCII letters alone, but Django lends it Python's regular expressions.
        """
        if connection.vendor == "sqlite" and not username.isascii():
            return self.filter(username__iregex=rf"^{re.escape(username)}$")
        return self.annotate(name_lower=Lower("username")).filter(name_lower=Lower(Value(username)))

    def leaving(self) -> "UserQuerySet":
        """People who asked for their account to be deleted, and whose things are not all gone yet."""
        return self.filter(deletion_requested_at__isnull=False)


class UserManager(DjangoUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]  # auth's depends on User
    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Lower-case the whole address: that is how allauth stores and looks up addresses."""
        return (email or "").strip().lower()


class User(AbstractUser):
    """A person's account.

    User names and addresses are unique whatever their case. Only accounts made on the command line (a service that runs
    batches, say) may be without an address; signing up on the site asks for one.
    """

    username = models.CharField(
        _("username"),
        max_length=150,
        unique=True,
        validators=[validate_username],
        help_text=_("Only letters, digits and . + - _"),
        error_messages={"unique": _("This username is taken.")},
    )
    email = models.EmailField(_("email address"), blank=True)
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    language = models.CharField(_("language"), max_length=10, choices=languages, blank=True)
    theme = models.CharField(_("theme"), max_length=5, choices=Theme, blank=True)
    deactivated_at = models.DateTimeField(_("deactivated"), null=True, blank=True)
    deletion_requested_at = models.DateTimeField(_("deletion requested"), null=True, blank=True)
    # Suspended by moderation, `is_active` being False meanwhile; without an end where `suspended_until` is empty.
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True)
    suspended_until = models.DateTimeField(_("suspended until"), null=True, blank=True)
    suspension_reason = models.TextField(_("reason for the suspension"), max_length=1000, blank=True)
    unread_notices = models.PositiveIntegerField(_("unread notices"), default=0, editable=False)
    session_epoch = models.PositiveIntegerField(_("ended sessions"), default=0)  # raised to end all of the account
    first_name = None  # type: ignore[assignment]  # how Django lets go of an inherited field
    last_name = None  # type: ignore[assignment]  # how Django lets go of an inherited field

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="accounts_user_username_ci",
                violation_error_message=_("This username is taken."),
            ),
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_ci",
                condition=~Q(email=""),
                violation_error_message=_("An account with this email address already exists."),
            ),
        ]

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """And what the constraint on the user name cannot see on SQLite, for the forms that change the name."""
        super().validate_constraints(exclude)
        if "username" in (exclude or ()):
            return
        if type(self).objects.named(self.username).exclude(pk=self.pk).exists():
            field = cast(models.CharField, self._meta.get_field("username"))
            text = field.error_messages["unique"]
            raise ValidationError({"username": ValidationError(text, code="unique")})

    @property
    def is_deactivated(self) -> bool:
        """The person switched the account off and may come back; `is_active` is False meanwhile.

        Not while moderation has switched it off, too: a suspension comes first.
        """
        return self.deactivated_at is not None and self.suspended_at is None and self.deletion_requested_at is None

    @property
    def is_suspended(self) -> bool:
        """Moderation has switched the account off."""
        return self.suspended_at is not None and self.deletion_requested_at is None

    @property
    def is_being_deleted(self) -> bool:
        return self.deletion_requested_at is not None

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session must match: Django's hash of the password, and the number that ends all sessions when raised.

        Without it, the sessions of a deactivated account would come back to life together with the account.
        """
        digest = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]  # private, not in the stubs
        return f"{digest}{self.session_epoch}" if self.session_epoch else digest

    def get_full_name(self) -> str:
        """The full name, or the user name of somebody who gave none."""
        return self.full_name.strip() or self.username

    def get_short_name(self) -> str:
        return self.username
