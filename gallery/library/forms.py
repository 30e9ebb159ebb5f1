"""Forms of the library. Every input is bounded; invalid values are ignored or reported."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from auravideo.core.forms import choice_field, clean_one_line, mark_default
from auravideo.core.media.formats import FORMAT_LABELS
from gallery.access import collections_of
from gallery.library.dates import FIRST_DAY, LAST_DAY, day_after, start_of
from gallery.models import Collection, SizeClass, Video, Visibility
from generation.batches.variations import MAX_COMPARED
from generation.requests import available

MAX_SELECTED = 500
MAX_ZIPPED = 200
ACTS = ("delete", "favourite", "unfavourite", "collect", "remove", "download", "compare")
SORTS = {
    "newest": ("-created_at", _("Newest first")),
    "oldest": ("created_at", _("Oldest first")),
    "largest": ("-size", _("Largest file first")),
}


class DayField(forms.DateField):
    """A day in the form that browsers send it, within what the database can compare in any time zone."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    default_validators = [MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], required=False, **kwargs)


class LibraryForm(forms.Form):
    """Filters and sort order of the library. Invalid values are ignored and reported."""

    q = forms.CharField(label=_("Keywords"), required=False, max_length=200)
    model = forms.ChoiceField(label=_("Model"), required=False)
    format = forms.ChoiceField(label=_("Format"), required=False, choices=[("", _("Any")), *FORMAT_LABELS.items()])
    size = forms.ChoiceField(label=_("Size"), required=False, choices=[("", _("Any")), *SizeClass.choices])
    visibility = forms.ChoiceField(label=_("Visible to"), required=False, choices=[("", _("Any")), *Visibility.choices])
    since = DayField(label=_("Since"))
    until = DayField(label=_("Until"))
    favourites = forms.BooleanField(label=_("Favourites only"), required=False)
    unstacked = forms.BooleanField(label=_("Every clip on its own"), required=False)
    sort = forms.ChoiceField(
        label=_("Sort by"), required=False, choices=[(name, label) for name, (_order, label) in SORTS.items()]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = available.catalogue().models.values()
        choice_field(self, "model").choices = [("", _("Any")), *((model.id, model.label) for model in models)]
        mark_default(*self.fields.values())
        self.full_clean()

    @property
    def text(self) -> str:
        return self.cleaned_data.get("q", "")

    @property
    def filters(self) -> dict[str, Any]:
        """Return the lookups that narrow a queryset of videos."""
        asked = {"size_class": "size", "model": "model", "format": "format", "visibility": "visibility"}
        found = {column: self.cleaned_data.get(name) for column, name in asked.items()}
        found["favourite"] = self.cleaned_data.get("favourites")
        found["created_at__gte"], found["created_at__lt"] = self.span
        return {column: value for column, value in found.items() if value}

    @property
    def days(self) -> tuple[date | None, date | None]:
        """Return the first and the last day that is asked for."""
        return self.cleaned_data.get("since"), self.cleaned_data.get("until")

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """Return the moments at which those days begin and have ended."""
        since, until = self.days
        return start_of(since) if since else None, day_after(until) if until else None

    @property
    def is_dated(self) -> bool:
        """Return whether the list is in the order of its dates."""
        return self.order.removeprefix("-") == "created_at"

    @property
    def is_sorted(self) -> bool:
        """Return whether an order other than the default is selected."""
        return self.order != SORTS["newest"][0]

    @property
    def is_stacked(self) -> bool:
        """Return whether clips of one request are one tile: not if words or filters ask for single ones."""
        by_date = self.order in (SORTS["newest"][0], SORTS["oldest"][0])
        return by_date and not (self.text or self.filters or self.cleaned_data.get("unstacked"))

    @property
    def order(self) -> str:
        return SORTS.get(self.cleaned_data.get("sort") or "newest", SORTS["newest"])[0]

    @property
    def kept(self) -> str:
        """Return the query string prefix that keeps this list when paging: '' or 'a=b&'."""
        query = self.query()
        return f"{query}&" if query else ""

    @property
    def narrowed_by(self) -> list[dict[str, Any]]:
        """Return each active filter: its label, its value, and the query string without it."""
        found = []
        for name in ("q", "model", "format", "size", "visibility", "since", "until", "favourites"):
            if value := self.cleaned_data.get(name):
                shown = self._shown(name, value)
                found.append({"label": self.fields[name].label, "value": shown, "without": self.query(**{name: ""})})
        return found

    def _shown(self, name: str, value: Any) -> str:
        if isinstance(value, date):
            return date_format(value)
        choices = dict(getattr(self.fields[name], "choices", ()))
        return "" if value is True else choices.get(value, value)

    def query(self, **changes: str) -> str:
        """Encode the non-default values with `changes` applied, in the form's order."""
        said = {name: value for name, value in {**self.cleaned_data, **changes}.items() if value}
        if said.get("sort") == "newest":
            del said["sort"]
        return urlencode({name: "on" if value is True else value for name, value in said.items()})


class IdsField(forms.Field):
    """Video IDs, all under the same field name."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {"required": _("Select at least one clip first.")}

    def clean(self, value: list[str] | None) -> list[UUID]:
        words = value or []
        if not words and self.required:
            raise ValidationError(self.error_messages["required"], "required")
        if len(words) > MAX_SELECTED:
            raise ValidationError(_("You can select at most %s clips at once.") % MAX_SELECTED, "too-many")
        try:
            return [UUID(word) for word in words]
        except ValueError:
            raise ValidationError(_("These are not valid clip IDs."), "invalid") from None


class SelectionForm(forms.Form):
    """Several videos and the action to apply to them."""

    video = IdsField()
    act = forms.ChoiceField(choices=[(name, name) for name in ACTS])
    collection = forms.UUIDField(required=False)

    def clean(self) -> dict[str, Any]:
        super().clean()
        found = self.cleaned_data
        if found.get("act") == "download" and len(found.get("video", ())) > MAX_ZIPPED:
            raise ValidationError(_("You can download at most %s clips at once. Select fewer.") % MAX_ZIPPED)
        if found.get("act") == "compare" and len(found.get("video", ())) > MAX_COMPARED:
            raise ValidationError(_("You can compare at most %s clips at once. Select fewer.") % MAX_COMPARED)
        return found


class TitleForm(forms.ModelForm):
    class Meta:
        model = Video
        fields = ["title"]
        labels = {"title": _("Title")}
        widgets = {"title": forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"})}
        error_messages = {"title": {"required": _("Give the clip a title.")}}

    clean_title = clean_one_line("title")


class CollectionForm(forms.ModelForm):
    """The name of a collection. The service checks that it is unique."""

    class Meta:
        model = Collection
        fields = ["name"]
        labels = {"name": _("Name")}
        error_messages = {"name": {"required": _("Give the collection a name.")}}

    clean_name = clean_one_line("name")


class CollectForm(forms.Form):
    """The collection to add videos to: an existing one or a new one."""

    video = IdsField()
    collection = forms.ModelChoiceField(
        label=_("Collection"), required=False, queryset=Collection.objects.none(), empty_label=_("New collection")
    )
    name = forms.CharField(
        label=_("Name of the new collection"), required=False, max_length=Collection._meta.get_field("name").max_length
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        collection = cast(forms.ModelChoiceField, self.fields["collection"])
        collection.queryset = collections_of(user).order_by("name")
        mark_default(collection)

    clean_name = clean_one_line("name")

    def clean(self) -> dict[str, Any]:
        super().clean()
        found = self.cleaned_data
        if not self.errors and not (found.get("collection") or found.get("name")):
            self.add_error("name", _("Choose a collection, or name a new one."))
        return found


class UndoForm(forms.Form):
    """The time at which the videos were deleted, in microseconds since 1970."""

    at = forms.IntegerField(min_value=0, max_value=2**53)

    def clean_at(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.cleaned_data["at"])
