"""Carry out the orders of auravideo/benchmark/crew.py: one JSON object a line in, one a line out.

Ends with its standard input, at once, so that it never outlives the command.
"""

import json
import logging
import os
import queue
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

NICENESS = 5
FIRST_TO_GO = "1000"  # see proc_pid_oom_score_adj(5)


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not spoil an answer
    _yield_to_others()
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
    import django

    django.setup()
    from django.conf import settings

    from workers.benchmark.orders import ORDERS
    from workers.engines import devices

    devices.use(settings.DEVICE)
    _say(answers, result="ready")
    while True:
        order = json.loads(orders.get())
        _carry_out(answers, ORDERS[order.pop("order")], order)


def _carry_out(answers: TextIO, order: Any, arguments: dict[str, Any]) -> None:
    from generation.domain.errors import RenderError

    try:
        result = order(**arguments)
    except RenderError as error:
        _say(answers, error=str(error))
    except Exception as error:  # any library's
        logging.getLogger(__name__).exception("Could not carry out an order")
        text = str(error).strip().splitlines()
        _say(answers, error=f"{type(error).__name__}: {text[0] if text else 'without a message'}"[:300])
    else:
        _say(answers, result=result)


def _say(answers: TextIO, **answer: Any) -> None:
    answers.write(json.dumps(answer) + "\n")


def _listen(orders: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


def _yield_to_others() -> None:
    """Let a site on the same machine go first, for processor time and for memory."""
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)


if __name__ == "__main__":
    main()
