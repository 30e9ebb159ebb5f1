"""Services of profiles: started for a test, looked into for secrets, removed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import executable
from tests.rigs.containers import secret_scan
from tests.rigs.containers.engine import Engine
from tests.rigs.containers.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page


@contextlib.contextmanager
def started(site: Project, *services: str) -> Iterator[float]:
    """Run these services of a profile beside the site; yield the seconds that took. Fail if one crashes or tells a
    secret."""
    site.provide_images(*services)
    ours = [name for name in services if "build" in site.config("--profile", "*")["services"][name]]
    if ours:
        site.compose("build", "--quiet", *ours)
    try:
        yield site.up(*services)
        containers = [container for service in services for container in site.containers(service)]
        names = [container["Name"].lstrip("/") for container in containers]
        assert [container["RestartCount"] for container in containers] == [0] * len(services), names
        assert secret_scan.in_containers(site.engine, site.secrets(), names) == {}
    finally:
        site.compose("--profile", "*", "rm", "--force", "--stop", *services)


@contextlib.contextmanager
def browser(engine: Engine, **options) -> Iterator["Page"]:
    """Yield a page of a browser in the engine's network."""
    from playwright.sync_api import sync_playwright

    with engine.network(), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"]
        )
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light", **options)
        try:
            yield context.new_page()
        finally:
            chromium.close()


def picture(page: "Page", name: str) -> None:
    """Save what the page shows as NAME.webp in the folder that the variable SCREENSHOTS names, if it is set."""
    if folder := os.environ.get("SCREENSHOTS"):
        import io

        from PIL import Image

        path = Path(folder, f"{name}.webp")
        Image.open(io.BytesIO(page.screenshot())).save(path, quality=80, method=6)
