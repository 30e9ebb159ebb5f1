"""Naming presets, and writing them by hand in the admin."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from generation.models import Preset
from generation.presets.services import checked, own_presets
from generation.requests.qualities import QUALITIES
from generation.requests.request import InvalidRequest


def check_name(name: str) -> None:
    """The names of the qualities are taken: a clip made with one of them is known by it."""
    if name.strip().lower() in QUALITIES:
        raise ValidationError(_("This is the name of a quality. Choose another name."))


class PresetNameForm(forms.Form):
    """The name under which the settings of the create form are kept."""

    preset_name = forms.CharField(
        label=_("Name"),
        max_length=Preset._meta.get_field("name").max_length,
        error_messages={"required": _("Give the preset a name.")},
        validators=[check_name],
    )


class RenameForm(forms.ModelForm):
    """A new name for a person's own preset."""

    class Meta:
        model = Preset
        fields = ["name"]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        check_name(name)
        if own_presets(self.instance.user).filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("A preset with this name already exists."))
        return name


class PresetAdminForm(forms.ModelForm):
    """Staff write the settings as JSON, with the fields of a request; they are checked as a request is."""

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
