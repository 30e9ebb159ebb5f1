"""The batch form. It follows the rules of the batch command: parsing.py reads the rows, services.py checks them."""

from itertools import islice
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from auravideo.core.forms import choice_field, mark_default, without_hidden
from auravideo.core.machine.time_budget import OutOfTime, TimeBudget
from generation.batches import parsing
from generation.batches import services as batches
from generation.batches.defaults import Defaults
from generation.batches.parsing import Row
from generation.quotas.allowance import UNLIMITED, Allowance
from generation.quotas.widgets import LengthSelect, lengths
from generation.requests import available
from generation.requests.labels import ASPECT_LABELS, QUALITY_LABELS
from generation.requests.qualities import QUALITIES, STANDARD
from generation.requests.sizes import ASPECTS

MAX_SHOWN = 100  # error lines
MAX_CPU_SECONDS = 5.0  # to check all rows; 10,000 take one or two
MAX_TEXT = 200_000  # characters; larger files are not put into the text field


class BatchForm(forms.Form):
    """The batch form; once valid, it has `rows` and their `entries`, and the valid entries can be queued.

    With `may_read` False, nothing is read: the form shows what was sent, for another try.
    """

    lines = forms.CharField(
        label=_("Prompts"),
        help_text=_("One per line. CSV with a header and JSON Lines also work."),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=_("Or a file"),
        help_text=_("A .txt, .csv or .jsonl file, written like the lines above."),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".txt,.text,.csv,.tsv,.jsonl,.ndjson,.json,text/plain,text/csv"}),
    )
    aspect = forms.ChoiceField(
        label=_("Shape"),
        help_text=_("For rows without a size."),
        choices=[(id, ASPECT_LABELS[id]) for id in ASPECTS],
    )
    seconds = forms.TypedChoiceField(
        label=_("Length"), help_text=_("For rows without their own."), coerce=int, initial=2
    )
    quality = forms.ChoiceField(
        label=_("Quality"),
        help_text=_("Size, frame rate and steps, for rows without their own."),
        choices=[(id, QUALITY_LABELS[id]) for id in QUALITIES],
        initial=STANDARD,
    )
    # Name of the file whose text was put into `lines`; its suffix still sets the format.
    from_file = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    skip_invalid = forms.BooleanField(label=_("Skip invalid lines"), required=False)

    def __init__(
        self,
        *args: Any,
        too_large: bool = False,
        may_read: bool = True,
        allowance: Allowance = UNLIMITED,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.allowance = allowance
        self.too_large = too_large
        self.may_read = may_read
        told = {"data-most": parsing.MAX_BYTES, "data-too-large": self._too_large()}  # before it is sent, by create.js
        self.fields["file"].widget.attrs.update(told)
        mark_default(self.fields["lines"], self.fields["file"])  # one of the two is required: neither is optional
        limits = allowance.limits
        offer = available.offer(limits)
        self.fields["aspect"].initial = offer.default_model().usual_aspect
        self.fields["seconds"].widget = LengthSelect(limits)
        choice_field(self, "seconds").choices = lengths(limits, offer.longest_of_any())
        self.fields["seconds"].initial = min(2, limits.max_seconds)
        if limits.is_own_seconds:
            told_of = _("Your account: up to %s s.") % limits.max_seconds
            self.fields["seconds"].help_text = f"{self.fields['seconds'].help_text} {told_of}"
        self.trigger_words, self.models, self.columns = offer.trigger_words(), offer.models(), parsing.COLUMNS
        self.rows: list[Row] = []
        self.entries: list[batches.BatchEntry] = []
        self.name = ""
        self.left_out: tuple[int, list[Any]] | None = None  # rows that could not be queued, and why

    @property
    def wrong(self) -> list[batches.BatchEntry]:
        """Return the rows that cannot be rendered."""
        return [entry for entry in self.entries if entry.request is None]

    @property
    def problems(self) -> list[dict[str, Any]]:
        """Return the errors by line and field, at most `MAX_SHOWN`."""
        found = (
            {"line": entry.row.line, "field": parsing.printable(name), "text": parsing.printable(text)}
            for entry in self.wrong
            for name, texts in entry.errors.items()
            for text in texts
        )
        return list(islice(found, MAX_SHOWN))

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if self.too_large:
            self.add_error("file", self._too_large())
        elif not data.get("file") and not (data.get("lines") or "").strip():
            self.add_error("lines", _("Paste some prompts or choose a file."))
        elif data.get("file") and (data.get("lines") or "").strip() and not data.get("from_file"):
            self.add_error("lines", _("Paste prompts or choose a file, not both."))
        if self.errors or not self.may_read:
            return data
        self._read(data)
        if self.wrong and not self.errors:
            self._judge(skip=data["skip_invalid"])
        self.name = self.name or self._count_and_time()
        return data

    def _read(self, data: dict) -> None:
        file = data.get("file")
        content = file.read() if file else data["lines"].encode("utf-8", "replace")
        place = "file" if file else "lines"
        name = without_hidden(file.name if file else data.get("from_file", ""))
        try:
            rows = parsing.read_rows(content, name=name)
        except parsing.BatchFileError as error:
            self.add_error(place, _at_line(error))
            return
        finally:
            self._show(content)
        most = self.allowance.most_waiting
        if len(rows) > most and not data["skip_invalid"]:
            message = _("That is %(rows)s clips, and at most %(most)s may wait at a time. Use fewer lines.")
            self.add_error(place, message % {"rows": len(rows), "most": most})
            return
        budget = TimeBudget(MAX_CPU_SECONDS)
        try:
            limits = self.allowance.limits
            self.rows = Defaults(data["aspect"], data["seconds"], data["quality"], limits).of(budget.over(rows))
            self.entries = batches.check(budget.over(self.rows), limits)
        except OutOfTime:
            self.rows, self.entries = [], []
            self.add_error(place, _("This takes too long to check. Use fewer lines."))
        self.name = name

    def _count_and_time(self) -> str:
        """Return a name for pasted prompts, such as '4 clips, 14:37': the first prompt would pass for one clip's."""
        count = len(self.entries) - len(self.wrong)
        time = date_format(timezone.localtime(), "H:i")
        return ngettext("%(n)s clip, %(time)s", "%(n)s clips, %(time)s", count) % {"n": count, "time": time}

    def _judge(self, *, skip: bool) -> None:
        place = "file" if self.cleaned_data.get("file") else "lines"
        if len(self.wrong) == len(self.entries):
            self.add_error(place, _("None of the lines can be rendered, so nothing was queued."))
        elif not skip:
            message = _(
                "%(wrong)s of %(all)s lines cannot be rendered, so nothing was queued. Correct them, or skip them."
            )
            self.add_error(place, message % {"wrong": len(self.wrong), "all": len(self.entries)})

    def _show(self, content: bytes) -> None:
        """Put the file's text into `lines` for correction, since browsers clear file inputs on reload."""
        if self.cleaned_data.get("file") and len(content) <= MAX_TEXT:
            data = cast(QueryDict, self.data).copy()
            data["lines"] = parsing.decode(content).encode("utf-8", "replace").decode()
            data["from_file"] = self.cleaned_data["file"].name[:200]
            self.data = data

    def _too_large(self) -> str:
        return _("A file may be at most %s MiB. Split it up.") % (parsing.MAX_BYTES // 2**20)


def _at_line(error: parsing.BatchFileError) -> Any:
    if error.line is None:
        return error.text
    return _("Line %(line)s: %(text)s") % {"line": error.line, "text": error.text}
