"""What a default clip costs on S3 and PostgreSQL, compared with the embedded site: `make bench-storage`.

Two complete sites with the bundled models run side by side on this machine: one with SQLite and local folders, one with
a PostgreSQL server and a SeaweedFS server. The same clip is rendered on each in turn, after one that loads the models.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.bench_estimates import PROMPT, render
from tests import postgres
from tests.rigs import s3_server
from tests.site import Site

CLIP = {"prompt": PROMPT, "seconds": 2, "width": 256, "height": 256, "fps": 24}
MOST_SECONDS = 0.5  # more than embedded
STAGES = ("preprocess", "generate", "interpolate", "upscale", "assemble")
TOOK = """
import json
from generation.models import Job
job = Job.objects.order_by("-created_at").first()
assert job.status == "done", (job.status, job.error_id)
spans = {}
for held in job.stage_runs.filter(status="done"):
    spans.setdefault(held.stage, []).append((held.started_at.timestamp(), held.ended_at.timestamp()))
times = {stage: max(end for _, end in found) - min(start for start, _ in found) for stage, found in spans.items()}
print(json.dumps({"whole": (job.ended_at - job.queued_at).total_seconds(), **times}))
"""


def measure(site: Site, seed: int) -> dict[str, float]:
    """Render the clip and return the seconds of the whole and of each stage, from its first chunk to its last."""
    render(site, [{**CLIP, "seed": seed}])
    return json.loads(site.python(TOOK))


def compare(sites: dict[str, Site], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Render `rounds` clips on each site, alternating, and return the times by site."""
    for site in sites.values():
        site.start()
        site.make_user()
        measure(site, 1)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sites}
    for number in range(rounds):
        order = list(sites)[:: 1 if number % 2 else -1]
        for name in order:
            found[name].append(measure(sites[name], 100 + number))
    return found


def report(found: dict[str, list[dict[str, float]]]) -> float:
    """Print the medians and return how much longer the whole takes on the second site."""
    print(f"{'':<12}" + "".join(f"{name:>24}" for name in found) + f"{'difference':>14}")
    difference = 0.0
    for part in ("whole", *STAGES):
        medians = [statistics.median(times[part] for times in runs) for runs in found.values()]
        ranges = [f"{min(t[part] for t in runs):.2f}-{max(t[part] for t in runs):.2f}" for runs in found.values()]
        cells = "".join(f"{f'{median:.2f} s ({span})':>24}" for median, span in zip(medians, ranges, strict=True))
        print(f"{part:<12}{cells}{medians[1] - medians[0]:>+12.2f} s")
        if part == "whole":
            difference = medians[1] - medians[0]
    return difference


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare a clip on S3 and PostgreSQL with an embedded one.")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
    try:
        with postgres.running() as database, s3_server.running(home / "weed") as server:
            environment: dict[str, Any] = {"DATABASE_URL": database, **server.environment(server.make_bucket())}
            many = Site(home / "many", **environment)
            sites = {"embedded": Site(home / "embedded"), "S3 and PostgreSQL": many}
            try:
                difference = report(compare(sites, rounds))
            finally:
                for site in sites.values():
                    site.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"S3 and PostgreSQL cost {difference:+.2f} s per clip ({MOST_SECONDS} s at most is asked)")
    return int(difference > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
