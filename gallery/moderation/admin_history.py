"""The moderation history: who did what, when and why. Read only."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gallery.models import ModerationAction
from gallery.moderation.admin_parts import ForModerators, link_to


@admin.register(ModerationAction)
class ModerationActionAdmin(ForModerators, admin.ModelAdmin):
    list_display = ["created_at", "act", "who", "concerned", "which", "reason"]
    list_filter = ["act", ("created_at", admin.DateFieldListFilter), ("actor", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["actor", "person", "video"]
    search_fields = ["video_title", "reason", "person__username", "actor__username"]
    search_help_text = _("Words from the reason or the clip title, or a username.")
    fields = readonly_fields = ("created_at", "act", "who", "concerned", "which", "reason", "seen_at")
    actions = None

    @admin.display(description=_("taken by"), ordering="actor__username")
    def who(self, action: ModerationAction) -> SafeString | str:
        return link_to(action.actor) if action.actor else str(_("the site"))

    @admin.display(description=_("user concerned"), ordering="person__username")
    def concerned(self, action: ModerationAction) -> SafeString | str:
        return link_to(action.person)

    @admin.display(description=_("clip"))
    def which(self, action: ModerationAction) -> SafeString | str:
        return link_to(action.video, action.video_title) if action.video else action.video_title or "–"
