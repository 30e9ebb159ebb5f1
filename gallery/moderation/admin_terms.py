"""The blocked terms that no prompt may contain, the only rows moderators edit directly."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gallery.access import MODERATE
from generation.models import BlockedTerm
from generation.queue.blocked_terms import words_of


class BlockedTermForm(forms.ModelForm):
    def clean_term(self) -> str:
        """Reject terms without a word: prompts are compared word by word, so punctuation would never match."""
        term = self.cleaned_data["term"]
        if not words_of(term):
            raise forms.ValidationError(_("This contains no word."), code="wordless")
        return term


@admin.register(BlockedTerm)
class BlockedTermAdmin(admin.ModelAdmin):
    form = BlockedTermForm
    list_display = ["term", "message", "is_active", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["term", "message"]
    search_help_text = _("Words from the term or its message.")
    fields = ["term", "message", "is_active"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def has_view_permission(self, request: HttpRequest, obj: BlockedTerm | None = None) -> bool:
        return request.user.has_perm(MODERATE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def has_change_permission(self, request: HttpRequest, obj: BlockedTerm | None = None) -> bool:
        return request.user.has_perm(MODERATE)

    def has_delete_permission(self, request: HttpRequest, obj: BlockedTerm | None = None) -> bool:
        return request.user.has_perm(MODERATE)
