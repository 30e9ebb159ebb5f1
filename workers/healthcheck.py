"""Exit with 0 if the worker of this container or machine is alive, otherwise with 1 and the reason.

    python -I workers/healthcheck.py [FILE] [--max-age SECONDS]

FILE is the heartbeat file, by default the one that AURAVIDEO_HEARTBEAT_FILE names; workers/heartbeat.py and the
scheduler touch it. This is a script of its own, standard library only: it runs twice a minute in every container, where
starting Django would cost more than the answer is worth.
"""

import argparse
import os
import sys
import time
from pathlib import Path

MAX_AGE_SECONDS = 60.0  # six beats


def problem(path: Path, max_age: float) -> str:
    """Return what is wrong according to the heartbeat files at `path`, or ''."""
    age = _age(path)
    if age is None:
        return f"{path} does not exist: the worker has not started, or the file's folder is not writable for it"
    if age > max_age:
        return f"{path} was last touched {age:.0f} s ago: the worker hangs, or its broker does not answer"
    stage = path.with_name(f"{path.name}.stage")
    stage_age = _age(stage)
    if stage_age is not None and stage_age > max_age and _is_running(stage):
        return f"{stage} was last touched {stage_age:.0f} s ago: the stage that this worker runs is frozen"
    return ""


def _age(path: Path) -> float | None:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return None


def _is_running(stage: Path) -> bool:
    """Return whether the process that touched `stage` still exists: a killed one leaves its file behind."""
    try:
        os.kill(int(stage.read_text(encoding="utf-8")), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Check that a worker or the scheduler is alive.")
    parser.add_argument("file", nargs="?", default=os.environ.get("AURAVIDEO_HEARTBEAT_FILE"))
    parser.add_argument("--max-age", type=float, default=MAX_AGE_SECONDS, help="seconds (default: %(default)s)")
    options = parser.parse_args()
    if not options.file:
        parser.error("name the heartbeat file, or set AURAVIDEO_HEARTBEAT_FILE")
    if found := problem(Path(options.file), options.max_age):
        sys.stderr.write(f"{found}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
