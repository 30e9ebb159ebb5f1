"""What is stored about joining: the site's rules, and invitations. Re-exported by accounts.models."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

DAILY_CAP = 200
MOST_WAITING = 500
MOST_USES = 10_000
VALID_DAYS = 7


class Policy(models.TextChoices):
    AUTOMATIC = "automatic", _("Automatic: open while only this machine reaches the site, otherwise by invitation")
    OPEN = "open", _("Open: anybody may sign up")
    INVITATION = "invitation", _("By invitation: whoever has a link from you")
    APPROVAL = "approval", _("By approval: anybody may sign up, and waits until a moderator agrees")
    CLOSED = "closed", _("Closed: nobody may sign up")


OPEN_TO_ALL = (Policy.OPEN, Policy.APPROVAL)


class JoiningRules(models.Model):
    """Who may join the site, as its operator has decided in the admin. One row; without it, the defaults hold."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(_("id"), primary_key=True, default=ONLY, editable=False)
    policy = models.CharField(_("who may join"), max_length=10, choices=Policy, default=Policy.AUTOMATIC)
    daily_cap = models.PositiveIntegerField(
        _("new accounts a day"),
        default=DAILY_CAP,
        help_text=_("How many people may sign up in 24 hours. Those with an invitation are not counted."),
    )
    most_waiting = models.PositiveIntegerField(
        _("newcomers who wait at a time"),
        default=MOST_WAITING,
        db_default=MOST_WAITING,
        help_text=_("How many may wait for approval. Beyond that, only people with an invitation can sign up."),
    )
    # The site was open before it could be closed, and nobody has decided yet: `doctor` warns.
    is_inherited = models.BooleanField(_("kept from before the update"), default=False, editable=False)

    class Meta:
        verbose_name = _("who may join")
        verbose_name_plural = _("who may join")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_row_of_joining_rules")]

    def __str__(self) -> str:
        return str(self.get_policy_display())

    @classmethod
    def current(cls) -> "JoiningRules":
        return cls.objects.filter(pk=cls.ONLY).first() or cls()

    @property
    def effective(self) -> Policy:
        """Return the policy in force: never AUTOMATIC."""
        if self.policy != Policy.AUTOMATIC:
            return Policy(self.policy)
        return Policy.OPEN if settings.IS_PRIVATE else Policy.INVITATION


def new_key() -> str:
    return secrets.token_urlsafe(9)


def in_a_week() -> datetime:
    return timezone.now() + timedelta(days=VALID_DAYS)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def usable(self) -> "InvitationQuerySet":
        """Return the invitations with which somebody can sign up now."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), uses__lt=F("max_uses"))


class Invitation(models.Model):
    """A link with which people may sign up. The link is signed, so it cannot be made from what is stored here."""

    class State(models.TextChoices):
        USABLE = "usable", _("usable")
        USED_UP = "used-up", _("used up")
        EXPIRED = "expired", _("expired")
        REVOKED = "revoked", _("withdrawn")

    key = models.CharField(_("key"), max_length=16, unique=True, default=new_key, editable=False)
    max_uses = models.PositiveIntegerField(
        _("for how many people"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_USES)],
        help_text=_("How many accounts can be made with the link."),
    )
    uses = models.PositiveIntegerField(_("used"), default=0, editable=False)
    expires_at = models.DateTimeField(_("valid until"), default=in_a_week)
    note = models.CharField(_("note"), max_length=200, blank=True, help_text=_("For you: who gets it, and why."))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="invitations_made",
        verbose_name=_("made by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("withdrawn"), null=True, editable=False)

    objects = InvitationQuerySet.as_manager()
    site = ""  # the base URL of the visitor who looks at the link

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.note or self.key

    @property
    def state(self) -> "Invitation.State":
        if self.revoked_at is not None:
            return self.State.REVOKED
        if self.uses >= self.max_uses:
            return self.State.USED_UP
        return self.State.EXPIRED if self.expires_at <= timezone.now() else self.State.USABLE
