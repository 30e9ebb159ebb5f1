"""`python -m tests.rigs.containers`: run an engine until Ctrl-C, for trying things out.

Its images and build cache stay for the next time, and this checkout is shared with it. `--fresh` starts from nothing
instead.
"""

import argparse
import signal
import sys
from pathlib import Path

from tests.rigs.containers.engine import Engine
from tests.rigs.containers.requirements import WITH_GPU_IMAGES, WITHOUT_GPU_IMAGES, CannotRun


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rigs.containers", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="start from nothing, and keep nothing")
    parser.add_argument("--gpu-images", action="store_true", help=f"make sure that {WITH_GPU_IMAGES} GB are free")
    options = parser.parse_args()
    gigabytes = WITH_GPU_IMAGES if options.gpu_images else WITHOUT_GPU_IMAGES
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with Engine(gigabytes, keep=not options.fresh, shared=[Path.cwd()]) as engine:
            print(f"The engine is ready. Ctrl-C ends it. Its client:\n    {engine.write_client()}", flush=True)
            signal.pause()
    except CannotRun as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
