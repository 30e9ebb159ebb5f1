from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    name = "gallery"
    verbose_name = _("Gallery")

    def ready(self) -> None:
        from gallery import receivers, selectors  # noqa: F401  connects them
        from generation import sources

        sources.register("video", selectors.request_of)
