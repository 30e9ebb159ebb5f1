"""Forms of the account settings."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm, ResetPasswordForm
from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Theme, User
from auravideo.core.forms import choice_field


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


class AddressForm(AddEmailForm):
    """A form that rejects addresses of other accounts.

    allauth accepts those, since they could never be confirmed. But if confirmation is turned off, users could make one
    their primary address, which the database rejects.
    """

    def clean_email(self) -> str:
        email = super().clean_email()
        rows = EmailAddress.objects.filter(email=email).exclude(user=self.user)
        if rows.exists() or User.objects.filter(email=email).exclude(pk=self.user.pk).exists():
            raise get_adapter().validation_error("email_taken")
        return email


class ForgottenPasswordForm(ResetPasswordForm):
    """A password reset that also reaches deactivated and suspended users.

    allauth sends emails to active accounts only, but deactivated users need a password to come back, and suspended
    users need one to read why.
    """

    def clean_email(self) -> str:
        email = super().clean_email()
        address = Q(email=email.lower()) | Q(emailaddress__email=email.lower(), emailaddress__verified=True)
        shut = User.objects.deactivated() | User.objects.suspended()
        self.users: list[User] = self.users or list(shut.filter(address).distinct())
        return email
