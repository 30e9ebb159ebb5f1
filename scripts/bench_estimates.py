"""Accuracy of the estimate shown before submitting, against the actual rendering time: `make bench-estimates`.

A complete site with the bundled models first renders ten clips, whose stages become the history that estimates use: one
at a time or, with --at-once, as one batch whose stages slow each other down. Then clips of other lengths, sizes and
frame rates are estimated, rendered one at a time, and compared.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.site import USER, Site

PROMPT = "a large red heart rising over the sea"
HISTORY = [
    {"prompt": PROMPT, "seconds": seconds, "width": side, "height": side, "fps": fps, "seed": seed}
    for seed, (seconds, side, fps) in enumerate(
        (
            *[(2, 256, 24)] * 4,
            *((1, 256, 16), (3, 256, 24), (2, 128, 8), (2, 512, 24), (4, 256, 32), (2, 384, 16)),
        )
    )
]
MEASURED = [
    {"prompt": PROMPT, "seconds": seconds, "width": width, "height": height, "fps": fps, "seed": 99}
    for seconds, width, height, fps in (
        *((2, 256, 256, 24), (1, 256, 256, 24), (4, 256, 256, 24), (2, 512, 512, 24), (2, 456, 256, 16)),
        *((3, 128, 128, 8), (6, 256, 256, 32), (2, 256, 384, 24)),
    )
]
ESTIMATE = """
import json
from generation.jobs import selectors
from generation.requests import available
from generation.requests.request import parse
print(selectors.estimate(parse(json.loads({row!r}), available.catalogue(), available.limits())))
"""
TOOK = """
from generation.models import Job
job = Job.objects.order_by("-created_at").first()
assert job.status == "done", (job.status, job.error_id)
print((job.ended_at - job.started_at).total_seconds())
"""


def render(site: Site, rows: list[dict]) -> None:
    """Render rows with the batch command; raise RuntimeError if it fails."""
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    done = site.manage("batch", "-", "--format", "jsonl", "--user", USER, "--wait", stdin=lines, timeout=1800)
    if done.returncode:
        raise RuntimeError(done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare estimates with what clips take.")
    parser.add_argument("--at-once", action="store_true", help="let the first ten clips render side by side")
    at_once = parser.parse_args().at_once
    home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
    site = Site(home / "site").start()
    worst = 0.0
    try:
        site.make_user()
        for rows in [HISTORY] if at_once else [[row] for row in HISTORY]:
            render(site, rows)
        print(f"{'clip':<28} estimated    took  difference")
        for row in MEASURED:
            estimated = float(site.python(ESTIMATE.format(row=json.dumps(row))))
            render(site, [row])
            took = float(site.python(TOOK))
            off = estimated / took - 1
            worst = max(worst, abs(off))
            name = f"{row['seconds']} s, {row['width']}x{row['height']}, {row['fps']} fps"
            print(f"{name:<28} {estimated:7.1f} s {took:6.1f} s {off:+9.0%}", flush=True)
    finally:
        site.stop()
        shutil.rmtree(home, ignore_errors=True)
    print(f"furthest off: {worst:.0%} (30 % at most is asked)")
    return int(worst > 0.30)


if __name__ == "__main__":
    sys.exit(main())
