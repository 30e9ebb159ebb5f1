"""The processes that render for a benchmark, one a queue as on a site, and the questions asked of them.

They are not the site's: they have a folder and an empty database of their own, no Celery, a low priority, and
are the first to go if memory runs out.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings

from auravideo.benchmark.cases import LIMITS
from auravideo.server.processes import cuda_for_tensorflow
from generation.domain.stages import STAGES
from generation.domain.states import Stage

_INTERPOLATION = STAGES[Stage.INTERPOLATE].queue
PATIENCE_SECONDS = 10  # for a process that was told to end


class Failed(Exception):
    """A clip could not be rendered; the text says why. `is_dead`: the process is gone."""

    def __init__(self, text: str, *, is_dead: bool = False) -> None:
        self.is_dead = is_dead
        super().__init__(text)


class Crew:
    """Processes by queue, started together; a context manager that ends them.

    Args:
        home: their AURAVIDEO_HOME, in which they find the models and leave their files.
        queues: which to start.
    """

    def __init__(self, home: Path, queues: Iterable[str]) -> None:
        self.home = home
        started = time.perf_counter()
        self._members = {queue: _Member(queue, home) for queue in queues}
        self._starting = dict.fromkeys(self._members, 0.0)
        try:
            for queue, member in self._members.items():
                member.wait_until_ready()
                self._starting[queue] = time.perf_counter() - started
        except BaseException:
            self.close()
            raise

    @property
    def starting(self) -> float:
        """Return the seconds until all processes were ready."""
        return max(self._starting.values(), default=0.0)

    def ask(self, queue: str, order: str, **arguments: Any) -> Any:
        """Return the answer of a queue's process to an order (workers/benchmark/orders.py).

        Raises:
            Failed: it could not carry it out, or died of it.
        """
        return self._members[queue].ask({"order": order, **arguments})

    def ask_all(self, order: str, **arguments: Any) -> None:
        """Give the same order to all."""
        for queue in self._members:
            self.ask(queue, order, **arguments)

    def close(self) -> None:
        for member in self._members.values():
            member.close()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Member:
    def __init__(self, queue: str, home: Path) -> None:
        self.log = home / f"{queue}.log"
        self.queue = queue
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers.benchmark"],
                cwd=settings.BASE_DIR,
                env=_environment(queue, home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for us, and we end them
            )
        # Pipes, because of what Popen was told.
        self._orders = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def wait_until_ready(self) -> None:
        self._answer()

    def ask(self, order: dict[str, Any]) -> Any:
        with suppress(BrokenPipeError):  # the answer says that it is gone
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise Failed(self._obituary(), is_dead=True)
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def _obituary(self) -> str:
        code = self._process.wait(PATIENCE_SECONDS)
        if code == -9:
            return f"the process of {self.queue!r} was killed, probably because memory ran out"
        last = (self.log.read_text(errors="replace").strip().splitlines() or ["it left no message"])[-1]
        return f"the process of {self.queue!r} ended with {code}: {last[:300]}"

    def close(self) -> None:
        """Kill it. All it holds is in the benchmark's own folder, which is removed next."""
        self._process.kill()
        self._process.wait()
        for stream in (self._orders, self._answers):
            with suppress(BrokenPipeError):
                stream.close()


def _environment(queue: str, home: Path) -> dict[str, str]:
    ours = {
        "AURAVIDEO_HOME": str(home),
        # SQLite in `home`, without tables: whatever would touch a site's rows fails.
        **dict.fromkeys(("DATABASE_URL", "DATABASE_URL_FILE", "DATABASE_PASSWORD", "DATABASE_PASSWORD_FILE"), ""),
        # Frames and videos go to folders of `home`.
        **dict.fromkeys(("S3_BUCKET", "S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"), ""),
        "AURAVIDEO_MAX_SIDE": str(LIMITS.max_side),
        "AURAVIDEO_MAX_SECONDS": str(LIMITS.max_seconds),
        "AURAVIDEO_CATALOGUE": str(settings.CATALOGUE_FILE or ""),
    }
    waiting = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}  # as in auravideo/celery.py
    cuda = cuda_for_tensorflow() if queue == _INTERPOLATION else {}
    return {**os.environ, **waiting, **cuda, **ours}
