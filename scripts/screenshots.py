"""Takes screenshots of every demo page at three widths and in both themes, with an index page: `make screenshots`.

Needs Chromium (scripts/need_browser) and creates its own site in a temporary folder.
"""

import argparse
import html
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.browser import executable

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.seeded import SeededSite

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = (360, 768, 1280)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
STYLE = (
    "body{font:16px system-ui;margin:2rem}img{height:20rem;margin:.25rem;border:1px solid GrayText;vertical-align:top}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Take a screenshot of every page.")
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "screenshots", metavar="DIR")
    parser.add_argument("--only", default="", metavar="TEXT", help="only pages with this in their name")
    parser.add_argument("--language", default="en", metavar="CODE", help="of the pages (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        _prepare(home)
        from tests.seeded import SeededSite

        site = SeededSite(Path(home) / "home").start()
        try:
            taken = list(_take_all(site, options.output, options.only, options.language))
        finally:
            site.stop()
    index = options.output / "index.html"
    index.write_text(_index(taken))
    print(f"{len(taken) * len(WIDTHS) * len(THEMES)} screenshots; look at them in {index}")


def _prepare(home: str) -> None:
    """Set up Django, which the list of pages needs, with a throwaway home folder."""
    import django

    os.environ.update(AURAVIDEO_HOME=home, DJANGO_SETTINGS_MODULE="auravideo.settings")
    django.setup()


def _take_all(site: "SeededSite", folder: Path, only: str, language: str) -> Iterator[str]:
    """Take the screenshots page by page; yield the pages' names."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        opened = {}
        for page in site.pages():
            if only not in page.name:
                continue
            if page.person not in opened:
                state: Any = site.sign_in(browser, page.person)
                opened[page.person] = browser.new_page(base_url=site.url, storage_state=state, locale=language)
            _take(opened[page.person], page.path, folder, page.name)
            print(page.name, file=sys.stderr)
            yield page.name
        browser.close()


def _take(page: "Page", path: str, folder: Path, name: str) -> None:
    from tests.e2e.soundness import arrived

    page.set_viewport_size({"width": WIDTHS[0], "height": 6000})  # trigger lazy loading
    page.goto(path, wait_until="networkidle")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            arrived(page)
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)


def _index(names: list[str]) -> str:
    """Return the index page."""
    parts = []
    for name in names:
        files = [f"{name}-{width}-{theme}.png" for theme in THEMES for width in WIDTHS]
        pictures = "".join(
            f'<a href="{html.escape(file)}"><img src="{html.escape(file)}" loading="lazy"></a>' for file in files
        )
        parts.append(f"<h2>{html.escape(name)}</h2>{pictures}")
    return f"<!doctype html><meta charset='utf-8'><title>AuraVideo</title><style>{STYLE}</style>{''.join(parts)}"


if __name__ == "__main__":
    main()
