from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    name = "gallery"
    verbose_name = _("Gallery")

    def ready(self) -> None:
        from accounts import personal_data
        from gallery import access, receivers  # noqa: F401  connects the receivers
        from gallery.lifecycle import kept_bytes
        from gallery.moderation.personal_data import ModerationOfPerson
        from gallery.personal_data import VideosOfPerson
        from gallery.sharing.personal_data import LikesOfPerson
        from generation.create import create_from
        from generation.quotas import kept

        personal_data.register(VideosOfPerson())
        personal_data.register(LikesOfPerson())
        personal_data.register(ModerationOfPerson())
        kept.register(kept_bytes)
        create_from.register("video", access.recipe_of)
        create_from.register("share", access.shared_recipe_of, key=access.token_in)
