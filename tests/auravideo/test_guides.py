"""The guides: links that lead somewhere, proxies that let through what the site accepts, messages that exist."""

import ast
import re
from pathlib import Path

import pytest

from generation.create.views import MAX_FILE_BYTES

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_CODE = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, spelled as on GitHub."""
    headings = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found) for found in _HEADING.findall(_CODE.sub("", text))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(path: Path) -> list[str]:
    """Return the links of a page to files or headings that do not exist; other sites are not asked."""
    found = []
    for link in _LINK.findall(_CODE.sub("", path.read_text(encoding="utf-8"))):
        target, _hash, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        page = (path.parent / target).resolve() if target else path
        if not page.exists() or (anchor and anchor not in anchors(page.read_text(encoding="utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    assert dead_links(path) == []


def test_dead_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# Is `it` *alive*?\n\n```\n# A comment\n```\n")
    page.write_text(
        "[a](other.md) [b](other.md#is-it-alive) [c](#here) [d](https://example.org/x)\n\n## Here\n\n"
        "[e](none.md) [f](other.md#gone) [g](other.md#a-comment)\n\n```\n[h](none.md)\n```\n"
    )
    assert dead_links(page) == ["none.md", "other.md#gone", "other.md#a-comment"]


def test_every_guide_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"(docs/{path.name}" not in readme] == []


# --- Behind a proxy ---------------------------------------------------------------------------------------------------

_FORM_BYTES = 64 * 1024  # of the other fields of an upload and the lines between them
_LIMITS = {
    "nginx": (r"client_max_body_size (\d+)m;", 2**20),
    "caddy": (r"max_size (\d+)MiB", 2**20),
    "auravideo.yaml": (r"maxRequestBodyBytes: (\d+)", 1),
}


@pytest.mark.parametrize("name", _LIMITS)
def test_a_proxy_lets_the_largest_upload_through(name):
    install = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    block = re.search(rf"<!-- {re.escape(name)} -->\n```\w*\n(.*?)```", install, re.DOTALL)
    assert block is not None
    pattern, unit = _LIMITS[name]
    limit = re.search(pattern, block[1])
    assert limit is not None
    assert int(limit[1]) * unit >= MAX_FILE_BYTES + _FORM_BYTES


# --- Troubleshooting --------------------------------------------------------------------------------------------------

_APPS = ("accounts", "auravideo", "gallery", "generation", "workers")


def texts_of_the_site() -> str:
    """Return every string of the code, docstrings too, and every template: all that a person may read."""
    paths = [ROOT / "manage.py", *(path for app in _APPS for path in (ROOT / app).rglob("*.py"))]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    strings = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    templates = [path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.html")]
    return "\n".join([*strings, *templates])


def quotations(guide: str) -> list[str]:
    """Return the messages in the first column of the tables, in their parts: `…` stands for what differs."""
    cells = [
        row.split("|")[1] for row in guide.splitlines() if row.startswith("| ") and not row.startswith("| you see")
    ]
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    return [part.strip() for message in messages for part in message.split("…") if part.strip(" .,()")]


def test_every_message_that_troubleshooting_quotes_exists():
    said = texts_of_the_site()
    quoted = quotations((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"))
    assert len(quoted) > 40, "the tables were not read"
    assert [part for part in quoted if re.sub(r"%\(\w+\)s", "", part) not in said] == []


def test_quotations_are_found_in_their_parts():
    table = "| you see | it is |\n|---|---|\n| 500, `Lost … times (…)` or *theirs* | `not this` |\n"
    assert quotations(table) == ["Lost", "times ("]
