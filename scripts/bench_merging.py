"""Browser cost of merging a fragment into the page: `make bench-merging`.

The jobs page has fifty running jobs, all in an open panel, and gets messages as the socket sends them. Each merging
implementation replaces jobs.js's own in the same file, so that everything else is equal: our own code, idiomorph
(`--idiomorph FILE`, the `dist/idiomorph.js` of its npm package) and the morph of htmx 4, which django-htmx ships beside
htmx 2. docs/adr/0006-merging-fragments.md has the figures.
"""

import argparse
import gzip
import itertools
import os
import statistics
from pathlib import Path
from uuid import UUID

import django
import django_htmx
from playwright.sync_api import Browser, sync_playwright

from tests.browser import executable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
django.setup()

from tests.e2e.live_page import Page, Panel, a_panel, fragment, open_jobs_page, panel_fragment, row, row_fragment  # noqa: E402

JOBS_JS = Path("static/js/jobs.js")
HTMX = Path(django_htmx.__file__).parent / "static/django_htmx"
# [merging alone, the message's whole script, style and layout afterwards]
TAKE_TIMES = """
    document.addEventListener("htmx:wsBeforeMessage", () => {
        window.merging = 0;
        window.began = performance.now();
    });
    document.addEventListener("htmx:wsAfterMessage", () => {
        const handled = performance.now();
        document.body.getBoundingClientRect();
        window.times.push([merging, handled - began, performance.now() - handled]);
    });
"""

BEGIN, END = "  const isSameKind", "  // What the socket sends was made"
CALL = "    merge(present, incoming);\n"
TIMED = "    const began = performance.now();\n" + CALL + "    window.merging += performance.now() - began;\n"

# Configures a library to behave as our own code does: skip equal, kept or newer elements; leave alone an open panel and
# the mark of a pending request.
MAY_MORPH = """
  const mayMorph = (present, incoming) => {
    if (present.nodeType !== Node.ELEMENT_NODE) return true;
    if ("keep" in present.dataset || present.isEqualNode(incoming)) return false;
    if (present.dataset.version && isOlder(incoming, present)) return false;
    if (present.classList.contains("htmx-request")) incoming.classList.add("htmx-request");
    return true;
  };
  const mayChange = (name, node) => name !== "open" || node.nodeName !== "DETAILS";
"""
IDIOMORPH = """
  const merge = (present, incoming) => Idiomorph.morph(present, incoming, {
    restoreFocus: false,
    callbacks: { beforeNodeMorphed: mayMorph, beforeAttributeUpdated: mayChange },
  });
"""
HTMX_4_HOOKS = """
  htmx4.registerExtension("merging", {
    init: (api) => { htmx4.morph = api.morph; },
    htmx_before_morph_node: (node, { newNode }) => mayMorph(node, newNode),
    htmx_before_morph_attr: (node, { attrName }) => mayChange(attrName, node),
  });
  const merge = (present, incoming) => {
    const fragment = document.createDocumentFragment();
    fragment.append(incoming);
    htmx4.morph(present, fragment, false);
  };
"""


def main() -> int:
    options = _options()
    ours = JOBS_JS.read_text()
    ways = {"ours": (ours, "", JOBS_JS)}
    if options.idiomorph:
        ways["idiomorph"] = (_instead(ours, IDIOMORPH), _as_global("Idiomorph", options.idiomorph), options.idiomorph)
    htmx_4 = HTMX / "htmx-4.js"
    ways["htmx-4 morph"] = (_instead(ours, HTMX_4_HOOKS), _as_global("htmx", htmx_4, "htmx4"), htmx_4)
    for way, (source, library, _) in ways.items():
        if options.save:
            (options.save / f"{way.split()[0]}.js").write_text(library + source)
    print(f"{options.jobs} jobs, {options.rounds} messages of each kind; milliseconds for a message, the median")
    print("| way | message | merging | parsing, merging, htmx | styles and layout |\n|---|---|---|---|---|")
    with sync_playwright() as playwright:
        path = executable()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for way, (source, library, _) in ways.items():
            for kind, times in _measure(browser, source, library, options).items():
                print(f"| {way} | {kind} | {' | '.join(f'{time:.2f}' for time in times)} |", flush=True)
        browser.close()
    for way, (source, _, file) in ways.items():
        minified = file.with_name(file.name.replace(".js", ".min.js"))
        weight = {each.name: (len(each.read_bytes()), len(gzip.compress(each.read_bytes(), 9)))
                  for each in (file, minified) if each.exists()}  # fmt: skip
        print(f"{way}: jobs.js would have {len(source.splitlines())} lines, {len(source)} bytes; {weight}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=100, help="messages of each kind")
    parser.add_argument("--idiomorph", type=Path, help="dist/idiomorph.js of idiomorph's npm package")
    parser.add_argument("--save", type=Path, help="a folder for each way's jobs.js, to run the tests with")
    return parser.parse_args()


def _instead(ours: str, other: str) -> str:
    """Return jobs.js with another merging implementation. Raise ValueError if jobs.js lacks the expected markers."""
    return ours[: ours.index(BEGIN)] + MAY_MORPH + other + ours[ours.index(END) :]


def _as_global(name: str, file: Path, called: str = "") -> str:
    """Return source that runs a library and exposes its `name` as a global, under `called` if two versions coexist."""
    return f"window.{called or name} = (() => {{ {file.read_text()}\nreturn {name}; }})();\n"


def _measure(browser: Browser, source: str, library: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the three times in milliseconds for each kind of message."""
    ids = tuple(UUID(int=100 + number) for number in range(options.jobs))
    if CALL not in source:
        raise ValueError("jobs.js no longer merges as this expects")
    timed = source.replace(CALL, TIMED)
    numbers = itertools.count(301)  # must exceed all earlier versions, or the page ignores the message
    kinds = {
        "progress of one job": lambda n: _progress(n, ids[n % len(ids)]),
        "progress of all jobs": lambda n: "".join(_progress(n, id) for id in ids),
        "all jobs and the panel": lambda n: "".join(fragment(n, 0, id=id) for id in ids) + _panel(n, ids),
        "a job joins or leaves the panel": lambda n: _panel(n, ids[n % 2 :]),
    }
    with open_jobs_page(browser, jobs=ids, panel=_rows(5, ids)) as opened:
        opened.page.route(
            "**/static/js/jobs.js", lambda route: route.fulfill(body=library + timed, content_type="text/javascript")
        )
        opened.page.reload()
        opened.wait_for_sockets(2)
        opened.page.locator("#active-jobs summary").click()
        opened.page.evaluate(TAKE_TIMES)
        return {
            kind: _times(opened, [message(n) for n in itertools.islice(numbers, options.rounds)])
            for kind, message in kinds.items()
        }


def _times(opened: Page, messages: list[str]) -> list[float]:
    """Return the median of each of the page's three times."""
    opened.page.evaluate("window.times = []")
    for message in messages:
        opened.send(message)
    return [statistics.median(column) for column in zip(*opened.page.evaluate("times"), strict=True)]


def _progress(permille: int, id: UUID) -> str:
    return fragment(5, permille, id=id) + row_fragment(5, permille, id=id)


def _rows(version: int, ids: tuple[UUID, ...]) -> Panel:
    return a_panel(*(row(version, 300, id=id) for id in ids))


def _panel(version: int, ids: tuple[UUID, ...]) -> str:
    return panel_fragment(*(row(version, 300, id=id) for id in ids))


if __name__ == "__main__":
    raise SystemExit(main())
