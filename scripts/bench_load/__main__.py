"""What a site under load does: `make bench-load`. Parts: events, one-user, connects, submissions, memory.

Each part has a site of its own (embedded: SQLite, private Redis) and a crowd of browsers without a screen
(tests/rigs/many_browsers.py) in this process, on the same cores as the site. An idle machine gives the figures in
docs/scaling.md.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator

from scripts.bench_load.memory import memory
from scripts.bench_load.sockets import connects, events, one_user
from scripts.bench_load.submissions import submissions

PARTS: dict[str, Callable[[argparse.Namespace], Iterator[object]]] = {
    "events": events,
    "one-user": one_user,
    "connects": connects,
    "submissions": submissions,
    "memory": memory,
}


def main() -> int:
    options = _options()
    machine = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"{machine}; AURAVIDEO_WEB_PROCESSES={options.web_processes}; milliseconds", flush=True)
    print(f"{'':<54}{'count':>7}{'p50':>8}{'p99':>8}{'most':>8}{'lost':>6}", flush=True)
    for part in options.parts:
        for row in PARTS[part](options):
            print(row, flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=20, help="of events")
    parser.add_argument("--users", type=int, default=500, help="with a socket each, of events")
    parser.add_argument("--rates", default="2,50,200", help="events a second, of all users together, comma-separated")
    parser.add_argument("--sockets", type=int, default=100, help="of one user")
    parser.add_argument("--clips", type=int, default=6, help="that this user has rendered")
    parser.add_argument("--connects", type=int, default=300, help="at once")
    parser.add_argument("--submissions", type=float, default=50, help="a second")
    parser.add_argument("--minute", type=float, default=60, help="seconds of submissions")
    parser.add_argument("--memory-clips", type=int, default=1000)
    parser.add_argument("--memory-models", choices=("none", "tiny"), default="none", help="that render these clips")
    parser.add_argument("--web-processes", default="0", help="AURAVIDEO_WEB_PROCESSES of the site")
    parser.add_argument("--hold", action="store_true", help="print the web processes, to profile them")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"there is no part named {', '.join(sorted(unknown))}")
    options.parts = options.parts or list(PARTS)
    return options


if __name__ == "__main__":
    sys.exit(main())
