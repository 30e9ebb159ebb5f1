"""What a page may ask of one's own queue."""

from django import forms

from generation.own_queue.services import Move


class MoveForm(forms.Form):
    """`to`: a `Move`; `other`: the clip to put it before, empty for the end."""

    to = forms.ChoiceField(choices=[(move.value, move.value) for move in Move])
    other = forms.UUIDField(required=False)

    def clean_to(self) -> Move:
        return Move(self.cleaned_data["to"])
