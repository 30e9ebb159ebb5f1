"""What holds for every page: it fits every screen, and axe finds nothing wrong with it in either theme."""

from axe_playwright_python.sync_playwright import Axe

WIDTHS = (360, 768, 1280)


def too_wide(page) -> list[str]:
    """The widths at which the page has to be scrolled sideways."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{wide} at {width}: {page.evaluate(WIDEST)}")
    return found


WIDEST = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 3).map(e => e.tagName + '.' + e.className).join(' ')"""


def violations(page) -> list[str]:
    """What axe finds in either theme, once on a wide screen and once on a phone."""
    found = []
    for width, theme in ((1280, "light"), (360, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # colours are compared when they have arrived
        for rule in Axe().run(page).response["violations"]:
            nodes = [f"{node['target']} {node['failureSummary']}" for node in rule["nodes"][:3]]
            found.append(f"{theme}, {width}: {rule['id']}: {nodes}")
    return found
