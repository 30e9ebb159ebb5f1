"""A rig: a real worker with the real models, in which faults can be ordered while it runs.

`python -m tests.rigs.troubled_worker OPTIONS...` is `celery worker OPTIONS...`. CHAOS_TROUBLE names the folder of the
orders (tests/rigs/trouble.py); tests/rigs/worker_faults.py lists the places and kinds.
"""

import os
import sys
from pathlib import Path

from tests.rigs import worker_faults
from tests.rigs.trouble import VARIABLE, Trouble


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
    django.setup()
    from auravideo.celery import app

    worker_faults.install(Trouble(Path(os.environ[VARIABLE])))
    app.worker_main(["worker", *sys.argv[1:]])


if __name__ == "__main__":
    main()
