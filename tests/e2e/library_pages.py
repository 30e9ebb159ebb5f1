"""What tests of the library look for on its pages."""

A_PAGE = 24


def cards(page):
    return page.locator("#cards .card")


def all_titles(page):
    return page.locator("#cards .card__title")


def titles(page) -> list[str]:
    """Return the titles shown now. After a click that leads to another page, expect something of that page first."""
    return all_titles(page).all_inner_texts()


def card(page, title: str):
    return page.locator("#cards .card", has=page.get_by_role("link", name=title, exact=True))


def choose(page, *names: str) -> None:
    for name in names:
        card(page, name).get_by_role("checkbox").check()


def bar(page):
    return page.locator("#selection")
