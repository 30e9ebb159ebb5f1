"""What the page says about the first clip after a start, each moment, against what happened: `make plot-first-clip`.

It starts a new site, renders a clip, and does so again after a restart. Each clip is followed on its page over HTTP. It
writes the plot, and prints by how much the time left that the page said was too low at most. `--from-disk` drops the
files of the virtual environment from the page cache, as starting the machine does.
"""

import argparse
import os
import re
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rigs.visitor import make_people, post, visit
from tests.site import ROOT, Site

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERSON = "ann"
CLIP = {"prompt": "a large red heart rising over the sea", "aspect": "1:1", "seconds": "2", "quality": "standard"}
EVERY_SECONDS = 0.5
PATIENCE = 600
# With less left than this, whole seconds are too coarse to judge.
JUDGED_FROM_SECONDS = 3.0
_LEFT = re.compile(r"(?:about (\d+) (s|min) left|takes about (\d+) (s|min))")
_STATE = re.compile(r'<p class="job__status">\s*(.*?)\s*</p>', re.DOTALL)
_ARTICLE = re.compile(r'data-progress="(\d+)" data-status="(\w+)"')


@dataclass(frozen=True)
class Said:
    """What the page said `at` seconds after the clip was submitted: its stage, percent and seconds `left`."""

    at: float
    stage: str
    percent: float
    left: int | None
    status: str


@dataclass(frozen=True)
class Clip:
    """What a page said until the clip was done, after `took` seconds."""

    name: str
    said: list[Said]
    took: float

    @property
    def worst(self) -> float:
        """Return by how many percent the time left was too low, at most; 0 if it never was."""
        judged = [(said.left, self.took - said.at) for said in self.said if said.left is not None]
        return max(0.0, *(100 * (1 - left / rest) for left, rest in judged if rest >= JUDGED_FROM_SECONDS))

    @property
    def stages(self) -> list[tuple[str, float, float]]:
        """Return (label, start, end) of what the page said is going on."""
        found: list[tuple[str, float, float]] = []
        for said, after in zip(self.said, [*(said.at for said in self.said[1:]), self.took], strict=True):
            if found and found[-1][0] == said.stage:
                found[-1] = (said.stage, found[-1][1], after)
            else:
                found.append((said.stage, said.at, after))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "first-clip.png", metavar="FILE")
    parser.add_argument("--from-disk", action="store_true", help="drop the files of the libraries from the page cache")
    parser.add_argument("--starts", type=int, default=2, help="how often to start the site (default: %(default)s)")
    options = parser.parse_args()
    if options.from_disk:
        _drop(Path(sys.prefix))
    with tempfile.TemporaryDirectory() as folder:
        clips = [_first_clip(Path(folder) / "home", start) for start in range(options.starts)]
    _plot(clips, options.output)
    for clip in clips:
        first = next((said.left for said in clip.said if said.left is not None), 0)
        print(f"{clip.name}: took {clip.took:.1f} s, {first} s announced, at most {clip.worst:.0f} % too low")


def _first_clip(home: Path, start: int) -> Clip:
    name = "the very first start" if start == 0 else f"start {start + 1}"
    site = Site(home, log=f"serve-{start}.log").start()
    try:
        if start == 0:
            make_people(site, PERSON)
        cookie = f"sessionid={site.session_of(PERSON)}"
        (answer,) = visit(site, post(PERSON, "/create/?mode=simple", None, **CLIP))
        return Clip(name, *_follow(site.url + answer["to"], cookie))
    except Exception:
        sys.stderr.write(site.log.read_text())
        raise
    finally:
        site.stop()


def _follow(address: str, cookie: str) -> tuple[list[Said], float]:
    """Return what the page of a clip said until it was done, and how many seconds that took."""
    started, said = time.monotonic(), []
    while (at := time.monotonic() - started) < PATIENCE:
        request = urllib.request.Request(address, headers={"Cookie": cookie})  # noqa: S310  our own site
        with urllib.request.urlopen(request) as answer:  # noqa: S310  our own site
            said.append(_read(answer.read().decode(), at))
        if said[-1].status not in ("queued", "running"):
            return said[:-1], at
        time.sleep(max(0.0, started + len(said) * EVERY_SECONDS - time.monotonic()))
    raise SystemExit(f"The clip was not done within {PATIENCE} s.")


def _read(page: str, at: float) -> Said:
    permille, status = _ARTICLE.search(page).groups()  # type: ignore[union-attr]  # every page of a job has one
    state = _STATE.search(page)
    stage = re.sub(r"<[^>]*>|\s+", " ", state.group(1)).strip() if state else ""
    left = None
    if found := _LEFT.search(page):
        number, unit = (part for part in found.groups() if part)
        left = int(number) * (60 if unit == "min" else 1)
    return Said(at, stage, int(permille) / 10, left, status)


def _drop(folder: Path) -> None:
    """Drop the files of a folder from the page cache, as far as no process uses them."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def _plot(clips: list[Clip], output: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(clips), 1, figsize=(10, 4 * len(clips)), squeeze=False, layout="constrained")
    for clip, drawing in zip(clips, axes[:, 0], strict=True):
        _draw(clip, drawing)
    handles = [line for drawing in figure.axes for line in drawing.get_lines()]
    labels = {str(line.get_label()): line for line in handles}
    figure.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=len(labels), fontsize=8)
    axes[-1, 0].set_xlabel("seconds since the clip was submitted")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=100)


def _draw(clip: Clip, drawing: "Axes") -> None:
    times = [said.at for said in clip.said]
    left = [float("nan") if said.left is None else said.left for said in clip.said]
    drawing.step(times, left, where="post", color="royalblue", linewidth=2, label="time left, as the page said")
    drawing.plot([0, clip.took], [clip.took, 0], color="dimgray", linewidth=1.5, label="time left, as it turned out")
    drawing.plot([0, clip.took], [clip.took * 0.7, 0], color="firebrick", linestyle=":", label="30 % too low")
    drawing.set(ylabel="seconds left", xlim=(0, clip.took), ylim=(0, None))
    drawing.set_title(
        f"The first clip after {clip.name}: {clip.took:.0f} s, at most {clip.worst:.0f} % too low", loc="left"
    )
    percent = drawing.twinx()
    percent.plot(times, [said.percent for said in clip.said], color="seagreen", linestyle="--", label="percent")
    percent.set(ylabel="percent, as the page said", ylim=(0, 100))
    for number, (label, start, end) in enumerate(clip.stages):
        drawing.axvspan(start, end, color="gray", alpha=0.14 if number % 2 else 0.05, linewidth=0)
        if end - start > clip.took / 12:
            drawing.text((start + end) / 2, 0.98, label, ha="center", va="top", fontsize=8, rotation=90,
                         transform=drawing.get_xaxis_transform())  # fmt: skip


if __name__ == "__main__":
    main()
