from django.contrib import admin

from gallery.models import Video


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):
    list_display = ["title", "user", "width", "height", "created_at"]
    search_fields = ["title", "user__username"]
    list_select_related = ["user"]
    readonly_fields = [field.name for field in Video._meta.fields if field.name != "title"]

    def has_add_permission(self, request) -> bool:
        return False
