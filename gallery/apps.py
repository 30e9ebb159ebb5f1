from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    name = "gallery"
    verbose_name = _("Gallery")

    def ready(self) -> None:
        from accounts import personal_data
        from gallery import receivers, selectors  # noqa: F401  connects them
        from gallery.personal_data import VideosOfPerson
        from generation import sources

        personal_data.register(VideosOfPerson())
        sources.register("video", selectors.request_of)
