"""Readers of a page's HTML: the values a browser would send for a form, and the text of an element."""

from html.parser import HTMLParser

_VOID = {"input", "br", "hr", "img", "link", "meta", "source", "wbr"}
_NOT_TYPED = {"submit", "button", "image", "reset", "file"}


def fields_of(html: str, form: str) -> dict[str, str]:
    """Return the values a browser would send for the first form whose id or class is `form`; {} if there is none.

    The last of several fields with the same name wins. Files are left out.
    """
    if form not in html:
        return {}
    reader = _FormReader(form)
    reader.feed(html)
    reader.close()
    return reader.values


def texts_of(html: str, name: str, without: tuple[str, ...] = ()) -> list[str]:
    """Return the text of every element with `name` as its id or a class, leaving out elements named in `without`."""
    if name not in html:
        return []  # most pages lack it, and parsing is slow
    reader = _TextReader(name, without)
    reader.feed(html)
    reader.close()
    return [" ".join("".join(parts).split()) for parts in reader.found]


def _names(attributes: dict[str, str | None]) -> set[str]:
    """Return the id and the classes of an element."""
    return {attributes.get("id") or "", *(attributes.get("class") or "").split()} - {""}


class _FormReader(HTMLParser):
    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.values: dict[str, str] = {}
        self._inside = self._done = False
        self._select: str | None = None
        self._textarea: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form" and not self._done and self.form in _names(attributes):
            self._inside = True
        if not self._inside:
            return
        name = attributes.get("name")
        if tag == "input" and name:
            self._input(name, attributes)
        elif tag == "textarea" and name:
            self._textarea, self._text = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            is_first = self._select not in self.values
            if is_first or "selected" in attributes:
                self.values[self._select] = attributes.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea:
            self.values[self._textarea] = self._text.removeprefix("\n")
            self._textarea = None
        elif tag == "select":
            self._select = None
        elif tag == "form" and self._inside:
            self._inside, self._done = False, True

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._text += data

    def _input(self, name: str, attributes: dict[str, str | None]) -> None:
        kind = attributes.get("type") or "text"
        is_choice = kind in ("radio", "checkbox")
        if kind in _NOT_TYPED or (is_choice and "checked" not in attributes):
            return
        self.values[name] = attributes.get("value") or ("on" if is_choice else "")


class _TextReader(HTMLParser):
    def __init__(self, name: str, without: tuple[str, ...]) -> None:
        super().__init__()
        self.name = name
        self.without = set(without)
        self.found: list[list[str]] = []
        self._open: list[tuple[str, str]] = []  # (tag, 'in', 'out' or '')

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        names = _names(dict(attrs))
        role = "in" if self.name in names else "out" if names & self.without else ""
        if role == "in" and not self._is_inside:
            self.found.append([])
        self._open.append((tag, role))

    def handle_endtag(self, tag: str) -> None:
        while self._open and tag in [opened for opened, _role in self._open]:
            if self._open.pop()[0] == tag:
                break
        if self._is_inside:
            self.found[-1].append(" ")

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.found[-1].append(data)

    @property
    def _is_inside(self) -> bool:
        roles = [role for _tag, role in self._open if role]
        return "in" in roles and "out" not in roles
