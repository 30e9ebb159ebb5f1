"""Who a person is. Everything else in the project points at `User`."""

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

# People sign in with either name or e-mail address, and allauth takes whatever holds an "@" for an address: a user
# name with one could never sign in, and could pose as somebody else's address.
validate_username = RegexValidator(
    r"^[\w.+-]+\Z",
    _("A user name may hold letters, digits and . + - _ only."),
    code="invalid",
)


class UserManager(DjangoUserManager):
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
        _("user name"),
        max_length=150,
        unique=True,
        validators=[validate_username],
        help_text=_("Letters, digits and . + - _ only."),
        error_messages={"unique": _("This user name is taken already.")},
    )
    email = models.EmailField(_("e-mail address"), blank=True)
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    first_name = None
    last_name = None

    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="accounts_user_username_ci",
                violation_error_message=_("This user name is taken already."),
            ),
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_ci",
                condition=~Q(email=""),
                violation_error_message=_("There is an account with this e-mail address already."),
            ),
        ]

    def get_full_name(self) -> str:
        """The full name, or the user name of somebody who gave none."""
        return self.full_name.strip() or self.username

    def get_short_name(self) -> str:
        return self.username
