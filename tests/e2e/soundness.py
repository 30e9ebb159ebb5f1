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


# What axe says of widgets that are Django's own, and what it is that it does not see.
OF_DJANGO = (
    ("label-title-only", "#searchbar"),  # its label is a picture, whose alternative text says "Search"
    ("empty-table-header", ".original"),  # the first column of the rows beneath a form,
    ("empty-table-header", "th:nth-child(11)"),  # and the last, where there is nothing to delete
    ("aria-prohibited-attr", ".help-tooltip"),  # in the label of a list to choose from
)


def violations(page, known: tuple[tuple[str, str], ...] = ()) -> list[str]:
    """What axe finds in either theme, once on a wide screen and once on a phone; `known` names rules and places."""
    found = []
    for width, theme in ((1280, "light"), (360, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        arrived(page)
        for rule in Axe().run(page).response["violations"]:
            nodes = [node for node in rule["nodes"] if not _is_known(rule["id"], node["target"], known)]
            if nodes:
                texts = [f"{node['target']} {node['failureSummary']}" for node in nodes[:3]]
                found.append(f"{theme}, {width}: {rule['id']}: {texts}")
    return found


def _is_known(rule: str, target: list[str], known: tuple[tuple[str, str], ...]) -> bool:
    return any(rule == one and place in " ".join(target) for one, place in known)


def arrived(page) -> None:
    """Wait for colours that are on their way from one theme to the other: only those that have come are compared."""
    page.evaluate(
        """() => new Promise(requestAnimationFrame).then(() => Promise.all(
            document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished.catch(() => 0))))"""
    )
