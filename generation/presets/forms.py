"""Forms for naming presets, and for editing them in the admin."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from auravideo.core.forms import clean_one_line, one_line
from generation.models import Preset
from generation.presets.services import checked, own_presets
from generation.requests.qualities import QUALITIES
from generation.requests.request import InvalidRequest


def check_name(name: str) -> None:
    """Raise ValidationError if the name is a quality's: requests store qualities under those names."""
    if name.strip().lower() in QUALITIES:
        raise ValidationError(_("This is the name of a quality. Choose another name."))


class PresetNameForm(forms.Form):
    """The name to save the create form's settings under."""

    preset_name = forms.CharField(
        label=_("Name"),
        max_length=Preset._meta.get_field("name").max_length,
        error_messages={"required": _("Give the preset a name.")},
        validators=[check_name],
    )
    clean_preset_name = clean_one_line("preset_name")


class RenameForm(forms.ModelForm):
    """A new name for a user's own preset."""

    class Meta:
        model = Preset
        fields = ["name"]

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        check_name(name)
        if own_presets(self.instance.user).filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("A preset with this name already exists."))
        return name


class PresetAdminForm(forms.ModelForm):
    """The admin form: settings are JSON with a request's fields, validated like a request."""

    class Meta:
        model = Preset
        fields = ["name", "user", "settings"]
        help_texts = {
            "settings": _('For example {"size": "512x288", "seconds": 4, "fps": 24, "model": "tiny", "steps": 16}.'),
        }

    def clean_name(self) -> str:
        check_name(self.cleaned_data["name"])
        return self.cleaned_data["name"]

    def clean_settings(self) -> dict:
        try:
            return checked(self.cleaned_data["settings"])
        except InvalidRequest as error:
            raise ValidationError(
                [f"{name}: {text}" for name, texts in error.errors.items() for text in texts]
            ) from None
