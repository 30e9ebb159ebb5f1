"""Render the icons of the application from the favicon: PNGs for the manifest, and rings that show how far a clip is.

`.venv/bin/python -m scripts.render_icons`, after a change of static/images/favicon.svg. The results are committed.
"""

import re
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import executable

IMAGES = Path(__file__).resolve().parent.parent / "static" / "images"
STEPS = 8
_RADIUS = 29
_LENGTH = 182.2  # 2 pi times the radius


def main() -> None:
    favicon = (IMAGES / "favicon.svg").read_text()
    _write_badges(favicon)
    _write_icons(favicon)


def _write_badges(favicon: str) -> None:
    folder = IMAGES / "badges"
    folder.mkdir(exist_ok=True)
    colours = _colours(favicon)
    for step in range(STEPS):
        drawn = _LENGTH * (step + 0.5) / STEPS
        ring = (
            f'<circle cx="32" cy="32" r="{_RADIUS}" fill="none" stroke="{colours["back"]}" stroke-width="6"/>'
            f'<circle cx="32" cy="32" r="{_RADIUS}" fill="none" stroke="{colours["light"]}" stroke-width="6" '
            f'stroke-dasharray="{drawn:.1f} {_LENGTH}" transform="rotate(-90 32 32)"/>'
        )
        (folder / f"{step}.svg").write_text(_with(favicon, ring))
    tick = (
        f'<circle cx="47" cy="47" r="15" fill="{colours["light"]}"/>'
        f'<path d="M40 47l5 6 9-11" fill="none" stroke="{colours["back"]}" stroke-width="4"/>'
    )
    (folder / "done.svg").write_text(_with(favicon, tick))


def _write_icons(favicon: str) -> None:
    folder = IMAGES / "icons"
    folder.mkdir(exist_ok=True)
    square = favicon.replace(' rx="14"', "")
    safe = square.replace("<circle", '<g transform="translate(6.4 6.4) scale(0.8)"><circle', 1).replace(
        "</svg>", "</g></svg>"
    )
    wanted = {"180": (square, 180), "192": (favicon, 192), "512": (favicon, 512), "maskable": (safe, 512)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        for name, (drawing, size) in wanted.items():
            page = browser.new_page(viewport={"width": size, "height": size})
            sized = drawing.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1)
            page.set_content(f"<body style='margin:0'>{sized}</body>")
            page.screenshot(path=str(folder / f"{name}.png"), omit_background=True)
        browser.close()


def _colours(favicon: str) -> dict[str, str]:
    """Return the favicon's own colours, so that there is one list of them."""
    found = re.findall(r'(?:fill|stop-color)="(#\w+)"', favicon)
    return {"light": found[0], "back": next(colour for colour in found if f'fill="{colour}"' in favicon)}


def _with(favicon: str, drawing: str) -> str:
    return favicon.replace("</svg>", f"  {drawing}\n</svg>")


if __name__ == "__main__":
    main()
