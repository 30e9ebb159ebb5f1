"""Checks for every page: it fits every screen, and axe finds no violations in either theme."""

from axe_playwright_python.sync_playwright import Axe

WIDTHS = (360, 768, 1280)


def too_wide(page) -> list[str]:
    """Return the widths at which the page scrolls sideways."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{wide} at {width}: {page.evaluate(WIDEST)}")
    return found


WIDEST = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 3).map(e => e.tagName + '.' + e.className).join(' ')"""


# Violations that axe reports in Django's own widgets, and why we accept them.
OF_DJANGO = (
    ("label-title-only", "#searchbar"),  # its label is an image with the alt text "Search"
    ("empty-table-header", ".original"),  # the first column of inline rows,
    ("empty-table-header", "th:nth-child(12)"),  # and the last, if nothing can be deleted
    ("aria-prohibited-attr", ".help-tooltip"),  # in the label of a select box
)


# Without reading style sheets itself, which no rule that we use needs: of one that imports another, as the admin's do,
# it makes an inline copy, and the page's policy refuses that in the console.
OPTIONS = {"preload": False}


def violations(page, known: tuple[tuple[str, str], ...] = ()) -> list[str]:
    """Return axe's violations, light on a desktop and dark on a phone; `known` has accepted (rule, selector) pairs."""
    found = []
    for width, theme in ((1280, "light"), (360, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        arrived(page)
        for rule in Axe().run(page, options=OPTIONS).response["violations"]:
            nodes = [node for node in rule["nodes"] if not _is_known(rule["id"], node["target"], known)]
            if nodes:
                texts = [f"{node['target']} {node['failureSummary']}" for node in nodes[:3]]
                found.append(f"{theme}, {width}: {rule['id']}: {texts}")
    return found


def _is_known(rule: str, target: list[str], known: tuple[tuple[str, str], ...]) -> bool:
    return any(rule == one and place in " ".join(target) for one, place in known)


def arrived(page) -> None:
    """Wait for colour transitions between themes to finish, so that axe compares final colours."""
    page.evaluate(
        """() => new Promise(requestAnimationFrame).then(() => Promise.all(
            document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished.catch(() => 0))))"""
    )


# WCAG 2.2, 2.5.5: at least 44 x 44 CSS pixels, except links within text, what the browser draws, and what has a twin.
TARGET = 44
SMALL = """(least) => {
    const shown = (e) => e.checkVisibility({visibilityProperty: true}) && !e.closest('.visually-hidden, .skip-link');
    const inText = (e) => e.matches('a') && e.parentElement && e.closest('p, dd, li, h1, h2, td, label') &&
        getComputedStyle(e).display === 'inline';
    const own = (e) => {
        return (e.matches('[type=checkbox], [type=radio]') && e.labels[0]) || e;
    };
    return [...document.querySelectorAll('a[href], button, summary, select, input:not([type=hidden]), textarea')]
        .filter((e) => shown(e) && !inText(e)).map((e) => [e, own(e).getBoundingClientRect()])
        .filter(([, box]) => box.width && box.height && (box.height < least - 0.5 || box.width < least - 0.5))
        .map(([e, box]) => [
            `${e.tagName}.${e.className}`, (e.textContent || e.ariaLabel || e.name || '').trim().slice(0, 30),
            `${Math.round(box.width)}x${Math.round(box.height)}`,
        ].join(' '));
}"""


def too_small(page) -> list[str]:
    """Return what is smaller than a fingertip on a phone."""
    page.set_viewport_size({"width": 390, "height": 844})
    network = page.context.new_cdp_session(page)
    network.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 1})
    found = page.evaluate(SMALL, TARGET)
    network.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    network.detach()
    return found
