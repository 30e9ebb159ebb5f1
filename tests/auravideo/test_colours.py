"""Every colour is defined in static/css/colours.css; pages, styles, icons and code use those only."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ROOT / "static" / "css" / "colours.css"
SKIN = ROOT / "scripts" / "bench_engines" / "safety.py"  # colours of pictures, not of pages
HEX = re.compile(r"(?<![&\w])#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})(?![\w-])")
FUNCTION = re.compile(r"\b(?:rgb|rgba|hsl|hsla|hwb|lab|lch|oklab|oklch)\([\d.]")
# Images with their own colours, and black shapes used as masks.
DRAWINGS = {"heart-over-sea.svg", "heart-over-sea-still.svg"}
MASK = "#000"


def found_in(*folders: str, endings: tuple[str, ...]) -> list[Path]:
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in endings]
    assert paths, f"nothing to read in {folders}"
    return [path for path in paths if path not in (COLOURS, SKIN)]


def colours_in(text: str) -> set[str]:
    return {*HEX.findall(text), *FUNCTION.findall(text)}


PLACES = [
    *found_in("static/css", "static/js", endings=(".css", ".js")),
    *found_in("templates", endings=(".html", ".txt")),
    *found_in("accounts", "auravideo", "gallery", "generation", "workers", "scripts", endings=(".py",)),
]


def test_no_colour_is_written_elsewhere():
    found = {str(path.relative_to(ROOT)): colours_in(path.read_text()) for path in PLACES}
    stray = {path: colours for path, colours in found.items() if colours}
    assert stray == {}, "name it in static/css/colours.css and use var(--name)"


@pytest.mark.parametrize(
    "text",
    [
        "a { color: #e6ab5a }",
        "<meta content='#fff'>",
        "fill: #abcd;",
        "color: rgb(5 5 6 / 0.78)",
        "plot(color='#E6AB5A')",
    ],
)
def test_a_stray_colour_is_seen(text):
    assert colours_in(text)


@pytest.mark.parametrize(
    "text", ["&#39;", 'href="#add-row"', "#read-file", "# abc", "var(--lamp)", "id = #12345", "a#abc"]
)
def test_what_is_no_colour_passes(text):
    assert colours_in(text) == set()


@pytest.mark.parametrize("path", found_in("static/images", endings=(".svg",)), ids=lambda path: path.name)
def test_an_icon_has_no_colour_but_those_of_the_list(path):
    if path.name not in DRAWINGS:
        assert colours_in(path.read_text()) - {MASK} <= colours_in(COLOURS.read_text())


def test_every_name_that_the_pages_use_is_defined():
    """Except for those of Django's admin, which defines its own."""
    styles = [path for path in found_in("static/css", endings=(".css",)) if path.name != "administration.css"]
    used = {name for path in styles for name in re.findall(r"var\((--[\w-]+)\)", path.read_text())}
    defined = {name for path in [*styles, COLOURS] for name in re.findall(r"(--[\w-]+):", path.read_text())}
    assert used - defined == set()


def test_every_colour_of_the_list_is_used():
    named = dict(re.findall(r"(--[\w-]+): (.*?);", COLOURS.read_text()))
    text = "".join(path.read_text() for path in [*found_in("static", endings=(".css", ".svg")), COLOURS])
    unused = {name for name, colour in named.items() if f"var({name})" not in text and text.count(colour) < 2}
    assert unused == set()


@pytest.mark.parametrize("template", ["base.html", "failure.html", "gallery/embed.html", "admin/base_site.html"])
def test_who_uses_the_names_loads_the_list_first(template):
    text = (ROOT / "templates" / template).read_text()
    sheets = re.findall(r"static 'css/(\w+)\.css'", text)
    assert sheets[0] == "colours"
