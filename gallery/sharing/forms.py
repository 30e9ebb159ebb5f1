"""Forms for sharing, liking and tagging."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gallery.models import Visibility
from gallery.models.disclosed import CHOICES
from gallery.sharing import tags


class VisibilityForm(forms.Form):
    """Who can watch a video and, if `chosen` is sent along, what else they may know about it."""

    visibility = forms.ChoiceField(choices=Visibility)
    chosen = forms.BooleanField(required=False)
    shows_prompt = forms.BooleanField(required=False)
    shows_negative_prompt = forms.BooleanField(required=False)
    shows_seed = forms.BooleanField(required=False)

    @property
    def disclosure(self) -> dict[str, bool] | None:
        """Return what others may read, by column of the video; None to leave it as it is."""
        if not self.cleaned_data["chosen"]:
            return None
        return {column: self.cleaned_data[column] for column in CHOICES.values()}


class LikeForm(forms.Form):
    """The desired state rather than a toggle, so that a double click changes nothing."""

    liked = forms.ChoiceField(choices=[("yes", ""), ("no", "")])


class TagsForm(forms.Form):
    """Tags on one line, separated by commas or spaces. Cleans to a tuple of names."""

    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        max_length=400,
        required=False,
        help_text=gettext_lazy("Up to 10, separated by commas or spaces, such as: sea, night, loop"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )

    def clean_tags(self) -> tuple[str, ...]:
        typed = tags.read(self.cleaned_data["tags"])
        errors = [
            *(
                _("“%s” cannot be a tag. Use letters and digits, with hyphens only between them.") % word[:40]
                for word in typed.malformed
            ),
            *(_("“%s” is longer than 30 characters.") % word[:40] for word in typed.too_long),
        ]
        if typed.is_too_many:
            count = len(typed.tags)
            errors.append(
                ngettext(
                    "That is %(n)d tag; at most %(most)d are allowed.",
                    "These are %(n)d tags; at most %(most)d are allowed.",
                    count,
                )
                % {"n": count, "most": tags.MAX_TAGS}
            )
        if errors:
            raise ValidationError(errors[:5])
        return typed.tags
