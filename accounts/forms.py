"""Forms of the account settings."""

import logging
import unicodedata
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import LoginForm, ResetPasswordForm, SignupForm
from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import Theme, User
from accounts.names.rules import sounds_official
from accounts.sign_in import logins, mails
from auravideo.core.forms import choice_field, one_line

logger = logging.getLogger(__name__)


class LanguageSelect(forms.Select):
    """A language menu with each option in its own language, marked with `lang` for screen readers."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if value:
            option["attrs"]["lang"] = value
        return option


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["full_name", "language", "theme", "single_keys"]
        widgets = {"language": LanguageSelect}
        help_texts = {
            "full_name": _("Shown where you publish something. If empty, your username is shown."),
            "single_keys": _("Such as / for searching. Switch them off if you dictate, or press keys by accident."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["full_name"].widget.attrs["autocomplete"] = "name"
        choice_field(self, "language").choices = [("", _("Follow the browser")), *settings.LANGUAGES]
        choice_field(self, "theme").choices = [("", _("Follow the device")), *Theme.choices]

    def clean_full_name(self) -> str:
        """Return the name in Unicode's form NFKC, unless it claims to speak for the site."""
        name = unicodedata.normalize("NFKC", one_line(self.cleaned_data["full_name"]))
        if sounds_official(name) and not self.instance.is_staff:
            raise forms.ValidationError(_("This name is reserved for the operator of the site."), code="reserved")
        return name


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=[("", ""), *Theme.choices], required=False)


class DeletionForm(forms.Form):
    """A confirmation by password, or by username if the account has no password, to prevent accidental deletion."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        widget: forms.Widget
        if user.has_usable_password():
            widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
            self.fields["password"] = forms.CharField(label=_("Your password"), widget=widget, max_length=4096)
        else:
            widget = forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"})
            self.fields["username"] = forms.CharField(label=_("Your username"), widget=widget, max_length=150)

    def clean_password(self) -> str:
        """Check the password. Counts as a sign-in attempt, which allauth limits to a few failures a minute."""
        password = self.cleaned_data["password"]
        if not get_adapter().reauthenticate(self.user, password):
            raise get_adapter().validation_error("incorrect_password")
        return password

    def clean_username(self) -> str:
        if self.cleaned_data["username"].lower() != self.user.username.lower():
            raise forms.ValidationError(_("This is not your username."), code="mismatch")
        return self.cleaned_data["username"]


class SigningInForm(LoginForm):
    """A sign-in that refuses logins longer than any account has; allauth's takes what fits into a request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["login"]
        options = {"label": field.label, "widget": field.widget}
        self.fields["login"] = forms.CharField(max_length=logins.MAX_LENGTH, **options)


class SigningUpForm(SignupForm):
    """A sign-up that reads the same whether the address is registered or not, with a field that only robots fill in.

    allauth's would say that it is registered, unless addresses have to be confirmed.
    """

    # No browser and no password manager knows what to put here. The page hides it until it is filled in.
    remarks = forms.CharField(
        label=_("Leave this empty"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "tabindex": "-1"}),
    )

    def clean_remarks(self) -> str:
        if self.cleaned_data["remarks"]:
            logger.info("A sign-up filled in the field for robots")
            self.fields["remarks"].widget.attrs.pop("tabindex")
            raise forms.ValidationError(_("Only robots fill in this field. Empty it, then sign up."), code="robot")
        return ""

    def validate_unique_email(self, value: str) -> str:
        return value

    def save(self, request: HttpRequest) -> User:
        user = super().save(request)
        if settings.ACCOUNT_EMAIL_VERIFICATION == "none":  # otherwise, the mail about its confirmation does it
            mails.ask_for(mails.SIGNED_UP, user.emailaddress_set.get().pk, request)
        return user


class ForgottenPasswordForm(ResetPasswordForm):
    """A password reset that looks nothing up: that is left to accounts.sign_in.mails."""

    def clean_email(self) -> str:
        return get_adapter().clean_email(self.cleaned_data["email"].lower())

    def save(self, request: HttpRequest, **_kwargs: Any) -> str:
        mails.ask_for_password(self.cleaned_data["email"], request)
        return self.cleaned_data["email"]
