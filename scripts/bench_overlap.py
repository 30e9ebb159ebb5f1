"""What it brings that stages work side by side: `make bench-overlap`.

A complete site renders the same clips one after the other and all at once, in turns, each worker on one core. At once,
the next clip is generated while this one is interpolated, upscaled and encoded, so two cores are busy.

The slowest stage bounds it: its only worker waits for the first clip, and then the others wait for it.
`--workers cpu,generate,interpolate,upscale,upscale` gives that stage a second one.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from itertools import count
from pathlib import Path

from tests.site import USER, Site

PROMPT = "a large red heart rising over the sea"
# Seconds from the first stage to the last of the newest `count` clips, and the seconds of their stages together.
TOOK = """
import json
from generation.models import Job
jobs = Job.objects.order_by("-created_at")[:{count}]
assert all(job.status == "done" for job in jobs), [(job.status, job.error_id) for job in jobs]
whole = max(job.ended_at for job in jobs) - min(job.started_at for job in jobs)
runs = [run for job in jobs for run in job.stage_runs.filter(status="done")]
print(json.dumps([whole.total_seconds(), sum((run.ended_at - run.started_at).total_seconds() for run in runs)]))
"""


def main() -> None:
    options = _options()
    home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
    site = Site(home / "site", OMP_NUM_THREADS="1", AURAVIDEO_WORKERS=options.workers).start()
    seeds = count()  # the batch command renders no row twice

    def rows(number: int) -> list[dict]:
        asked = {"prompt": PROMPT, "seconds": options.seconds, "size": options.size, "fps": 24, "format": "mp4"}
        return [{**asked, "seed": next(seeds)} for _ in range(number)]

    workers = options.workers or "one per queue"
    print(f"load {os.getloadavg()[0]:.1f}; {options.clips} clips of {options.seconds} s, {options.size}; {workers}")
    ratios = []
    try:
        site.make_user()
        _render(site, rows(1))
        for turn in range(options.rounds):
            ways = {"one after the other": _one_by_one, "at once": _render}
            took = {name: ways[name](site, rows(options.clips)) for name in sorted(ways, reverse=bool(turn % 2))}
            for name, (whole, stages) in took.items():
                print(f"{name:<20} {whole:7.1f} s, stages together {stages:7.1f} s", flush=True)
            ratios.append(took["one after the other"][0] / took["at once"][0])
    finally:
        site.stop()
        shutil.rmtree(home, ignore_errors=True)
    low, high = min(ratios), max(ratios)
    print(f"one after the other takes {statistics.median(ratios):.2f} times as long ({low:.2f} to {high:.2f})")


def _one_by_one(site: Site, rows: list[dict]) -> tuple[float, float]:
    took = [_render(site, [row]) for row in rows]
    return sum(whole for whole, _stages in took), sum(stages for _whole, stages in took)


def _render(site: Site, rows: list[dict]) -> tuple[float, float]:
    """Render rows with the batch command; return the seconds from the first stage to the last, and of all stages."""
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    done = site.manage("batch", "-", "--format", "jsonl", "--user", USER, "--wait", stdin=lines, timeout=1800)
    if done.returncode:
        raise RuntimeError(done.stderr)
    whole, stages = json.loads(site.python(TOOK.format(count=len(rows))))
    return whole, stages


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare clips that are rendered at once with one after the other.")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="", help="as AURAVIDEO_WORKERS; by default one per queue")
    return parser.parse_args()


if __name__ == "__main__":
    main()
