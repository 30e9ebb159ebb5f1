from django.apps import AppConfig


class AuraVideoConfig(AppConfig):
    name = "auravideo"

    def ready(self) -> None:
        from auravideo import checks  # noqa: F401  registers the checks
        from auravideo.core.logs import lines

        lines.configure_structlog()
