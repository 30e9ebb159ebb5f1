"""The user model. Everything else in the project points at `User`."""

import re
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.joining.models import Invitation, JoiningRules  # noqa: F401  Django looks for models here
from accounts.names.rules import validate_full_name, validate_letters
from accounts.names.skeletons import SKELETON_LENGTH, skeleton, skeletons

# Users sign in with a username or an email address, and allauth treats anything with an "@" as an address: a username
# containing one could never sign in, and could impersonate someone's address.
validate_username = RegexValidator(
    r"^[\w.+-]+\Z",
    _("A username may contain only letters, digits and . + - _"),
    code="invalid",
)

EMAIL_TAKEN = _("An account with this email address already exists.")
TOO_SIMILAR = _("This username looks too much like one that is taken.")


def languages() -> list[tuple[str, str]]:
    """Return the site's languages. A function, so that adding one needs no migration."""
    return settings.LANGUAGES


EMAIL_CONSTRAINT = "accounts_user_email_ci"


class Theme(models.TextChoices):
    DARK = "dark", _("Dark")
    LIGHT = "light", _("Light")


class UserQuerySet(models.QuerySet["User"]):
    def present(self) -> "UserQuerySet":
        """Return the users whose public content may be shown: not deactivated, suspended, disabled or being deleted."""
        return self.filter(is_active=True)

    def deactivated(self) -> "UserQuerySet":
        """Return the users who deactivated their account and may reactivate it; excludes suspended ones."""
        return self.switched_off().filter(deactivated_at__isnull=False, suspended_at=None)

    def suspended(self) -> "UserQuerySet":
        """Return the users suspended by moderation."""
        return self.switched_off().filter(suspended_at__isnull=False)

    def switched_off(self) -> "UserQuerySet":
        """Return the users whose account is inactive but may become active again."""
        return self.filter(is_active=False, deletion_requested_at__isnull=True)

    def awaiting_approval(self) -> "UserQuerySet":
        """Return the newcomers about whom no moderator has decided."""
        return self.switched_off().filter(approval_awaited_since__isnull=False)

    def unconfirmed(self) -> "UserQuerySet":
        """Return those who signed up, never confirmed an address and never signed in."""
        people = self.filter(is_active=True, is_staff=False, is_superuser=False, last_login=None)
        return people.filter(newcomer_until__isnull=False).exclude(emailaddress__verified=True)

    def named(self, username: str) -> "UserQuerySet":
        """Match a username case-insensitively.

        SQLite folds only ASCII letters, so other names are matched with Django's regular expressions.
        """
        if connection.vendor == "sqlite" and not username.isascii():
            return self.filter(username__iregex=rf"^{re.escape(username)}$")
        return self.annotate(name_lower=Lower("username")).filter(name_lower=Lower(Value(username)))

    def looking_like(self, username: str) -> "UserQuerySet":
        """Return whose username can be confused with this one, or is the same."""
        return self.filter(name_skeleton__in=skeletons(username))

    def leaving(self) -> "UserQuerySet":
        """Return the users whose account deletion was requested and is not finished yet."""
        return self.filter(deletion_requested_at__isnull=False)


class UserManager(DjangoUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]  # auth's depends on User
    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Lower-case the whole address, as allauth does when it stores and looks up addresses."""
        return (email or "").strip().lower()


class User(AbstractUser):
    """A user account.

    Usernames and email addresses are unique case-insensitively. Only accounts created on the command line (for a batch
    service, say) may lack an email address; signing up on the site requires one.
    """

    username = models.CharField(
        _("username"),
        max_length=150,
        unique=True,
        validators=[validate_username, validate_letters],
        help_text=_("Only letters, digits and . + - _"),
        error_messages={"unique": _("This username is taken.")},
    )
    # What the username looks like; null for accounts older than this field whose name looks like an older one's.
    name_skeleton = models.CharField(
        _("looks of the username"), max_length=SKELETON_LENGTH, unique=True, null=True, editable=False
    )
    email = models.EmailField(_("email address"), blank=True)
    full_name = models.CharField(_("full name"), max_length=150, blank=True, validators=[validate_full_name])
    language = models.CharField(_("language"), max_length=10, choices=languages, blank=True)
    theme = models.CharField(_("theme"), max_length=5, choices=Theme, blank=True)
    single_keys = models.BooleanField(_("single-key shortcuts"), default=True)
    deactivated_at = models.DateTimeField(_("deactivated"), null=True, blank=True)
    deletion_requested_at = models.DateTimeField(_("deletion requested"), null=True, blank=True)
    # Suspended by moderation; `is_active` is then False. Indefinite if `suspended_until` is null.
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True)
    suspended_until = models.DateTimeField(_("suspended until"), null=True, blank=True)
    suspension_reason = models.TextField(_("reason for the suspension"), max_length=1000, blank=True)
    # Signed up under the policy "by approval"; `is_active` is then False. Written by accounts.joining.services.
    approval_awaited_since = models.DateTimeField(_("waiting for approval since"), null=True, editable=False)
    # When a newcomer is deleted who is neither approved nor confirms the address (accounts.joining.expiry). It means
    # nothing for anybody else; null for accounts that an operator made.
    newcomer_until = models.DateTimeField(_("deleted if undecided"), null=True, editable=False, db_index=True)
    invitation = models.ForeignKey(
        Invitation,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="accounts",
        verbose_name=_("joined by the invitation"),
    )
    # Since when none of their waiting clips is started; written by generation.own_queue only.
    queue_paused_at = models.DateTimeField(_("queue paused"), null=True, blank=True, editable=False)
    unread_notices = models.PositiveIntegerField(_("unread notices"), default=0, editable=False)
    session_epoch = models.PositiveIntegerField(_("ended sessions"), default=0)  # incremented to end all sessions
    first_name = None  # type: ignore[assignment]  # Django's way to remove an inherited field
    last_name = None  # type: ignore[assignment]  # Django's way to remove an inherited field

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
                name=EMAIL_CONSTRAINT,
                condition=~Q(email=""),
                violation_error_message=EMAIL_TAKEN,
            ),
        ]

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Keep the skeleton in step with the username. Raise IntegrityError if somebody has a name like it."""
        if update_fields is None or "username" in update_fields:
            if self._state.adding or self.name_skeleton is not None or not self._is_taken():
                self.name_skeleton = skeleton(self.username)
            update_fields = update_fields and {*update_fields, "name_skeleton"}
        if update_fields is not None and set(update_fields) == {"email"}:
            self._save_email(update_fields)
        else:
            super().save(*args, update_fields=update_fields, **kwargs)

    def _save_email(self, update_fields: Iterable[str]) -> None:
        """Store a new main address, as allauth does; none if it is somebody else's, who must not be given away."""
        try:
            with transaction.atomic():
                super().save(update_fields=update_fields)
        except IntegrityError:
            self.email = ""
            super().save(update_fields=update_fields)

    def _is_taken(self) -> bool:
        return type(self).objects.looking_like(self.username).exclude(pk=self.pk).exists()

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Check a username only if it is new: one of an earlier version may break the rules of today."""
        kept = set(exclude or ())
        if "username" not in kept and not self._state.adding and not self._is_renamed():
            kept.add("username")
        super().clean_fields(exclude=kept)

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Check the username beyond what the constraint can on SQLite, for forms that change it."""
        super().validate_constraints(exclude)
        if "username" in (exclude or ()):
            return
        if type(self).objects.named(self.username).exclude(pk=self.pk).exists():
            field = cast(models.CharField, self._meta.get_field("username"))
            text = field.error_messages["unique"]
            raise ValidationError({"username": ValidationError(text, code="unique")})
        if self._is_taken() and self._is_renamed():
            raise ValidationError({"username": ValidationError(TOO_SIMILAR, code="similar")})

    def _is_renamed(self) -> bool:
        return not type(self).objects.filter(pk=self.pk, username=self.username).exists()

    @property
    def is_deactivated(self) -> bool:
        """Return whether the user deactivated the account and may reactivate it; `is_active` is then False.

        False during a suspension, which takes precedence.
        """
        return self.deactivated_at is not None and self.suspended_at is None and self.deletion_requested_at is None

    @property
    def is_suspended(self) -> bool:
        """Return whether moderation has suspended the account."""
        return self.suspended_at is not None and self.deletion_requested_at is None

    @property
    def is_awaiting_approval(self) -> bool:
        """Return whether the account cannot be used before a moderator agrees."""
        return self.approval_awaited_since is not None and self.deletion_requested_at is None

    @property
    def is_being_deleted(self) -> bool:
        return self.deletion_requested_at is not None

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return the hash a session must match: Django's password hash plus the session epoch.

        Without the epoch, the old sessions of a deactivated account would become valid again when it is reactivated.
        """
        digest = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]  # private, not in the stubs
        return f"{digest}{self.session_epoch}" if self.session_epoch else digest

    def get_full_name(self) -> str:
        """Return the full name, or the username if none is set."""
        return self.full_name.strip() or self.username

    def get_short_name(self) -> str:
        return self.username


class PushSubscription(models.Model):
    """A browser that Web Push tells of its user's clips, also while no page is open. Written by accounts.push.

    Only the browser can read what is sent: it is encrypted with `p256dh` and `auth`.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="push_subscriptions", verbose_name=_("user")
    )
    endpoint = models.CharField(_("address at the push service"), max_length=1000, unique=True)
    p256dh = models.CharField(_("the browser's public key"), max_length=100)
    auth = models.CharField(_("the browser's secret"), max_length=40)
    language = models.CharField(_("language"), max_length=10)  # of the page, for users who have not chosen one
    session = models.CharField(_("digest of the session"), max_length=64)  # it ends with the sessions of its time
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("push subscription")
        verbose_name_plural = _("push subscriptions")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.service}"

    @property
    def service(self) -> str:
        """Return the host name of the browser's push service."""
        return urlsplit(self.endpoint).hostname or ""


class SecurityEvent(models.Model):
    """Something that happened to the security of an account, or a failed sign-in. Written by accounts.security.events.

    Has the network address of a person, so it is kept for SECURITY_LOG_DAYS only.
    """

    class Kind(models.TextChoices):
        SIGN_IN = "sign-in", _("Signed in")
        NEW_DEVICE = "new-device", _("Signed in on a new device")
        FAILED = "failed", _("Failed sign-in")
        PASSWORD = "password", _("Password changed")
        RESET = "reset", _("Password reset by email")
        EMAIL = "email", _("Main email address changed")
        EMAIL_REMOVED = "email-removed", _("Email address removed")
        APP_ADDED = "app-added", _("Authenticator app set up")
        APP_REMOVED = "app-removed", _("Authenticator app removed")
        PASSKEY_ADDED = "passkey-added", _("Passkey added")
        PASSKEY_REMOVED = "passkey-removed", _("Passkey removed")
        CODES = "codes", _("New recovery codes made")
        FACTORS_RESET = "factors-reset", _("Second factor removed by an operator")
        SESSIONS_ENDED = "sessions-ended", _("Signed out elsewhere")

    # Null if somebody tried to sign in to an account that does not exist: stored too, so that both take the same time.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="security_events",
        verbose_name=_("user"),
    )
    kind = models.CharField(_("what happened"), max_length=20, choices=Kind)
    at = models.DateTimeField(_("when"), auto_now_add=True, db_index=True)
    ip = models.GenericIPAddressField(_("network address"), null=True)
    user_agent = models.CharField(_("browser"), max_length=200, blank=True)
    detail = models.CharField(_("details"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security events")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.kind}"

    @property
    def is_of_browser(self) -> bool:
        """Return whether a request did it: otherwise it was an operator, on the command line."""
        return bool(self.user_agent or self.ip)
