from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GenerationConfig(AppConfig):
    name = "generation"
    verbose_name = _("Generation")

    def ready(self) -> None:
        from accounts import personal_data
        from generation import receivers  # noqa: F401  connects the receivers
        from generation.personal_data import JobsOfPerson

        personal_data.register(JobsOfPerson())
