"""Faults inside a worker, suffered where and when tests/rigs/trouble.py orders them.

At a stage (preprocess, generate, interpolate, upscale, assemble):

    sleep             its work is done, then it sleeps; threads go on
    hang              the same in C, holding the interpreter's lock: nothing goes on
    oom [times]       memory runs out inside the engine, as torch and TensorFlow report it, so many times in a row;
                      a MemoryError in stages without an engine
    card              the graphics card's context is lost inside the engine, as torch and TensorFlow report it
    bomb [megabytes]  takes memory, at most so much, until the kernel's OOM killer ends the process
    die               SIGKILL in the middle of the work
    bug               a RuntimeError in the middle of the work
    stop [seconds]    SIGSTOP in the middle of the work; SIGCONT comes after so many seconds

At `look`, before the safety check looks at a clip: `sleep`, `hang`, `die`, `stop` and `bomb`, as above.

At the calls `finish` (or `finish-<stage>`), `release`, `requeue` and `purge`:

    crash N           SIGKILL at the N-th line of our own code that the call runs; after its return if it has fewer
    count             nothing, but the order notes how many lines there are

What it cannot show: power cuts, which also lose what the operating system has not written to the disk yet.
"""

import ctypes
import functools
import logging
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.rigs.trouble import Trouble

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(f"{ROOT / package}{os.sep}" for package in ("accounts", "auravideo", "gallery", "generation", "workers"))
LONG = 3600
Undo = Callable[[], None] | None
BOMB_MEGABYTES, STOP_SECONDS = 512, 10


def install(trouble: Trouble) -> None:
    """Let the stages and calls of this process and its children look for orders."""
    from gallery import lifecycle
    from generation.domain.states import Stage
    from generation.queue import claims, services
    from workers import stages
    from workers.safety import look

    for stage in Stage:
        setattr(stages, stage, _troubled(trouble, stage, getattr(stages, stage)))
    look.look = _looking(trouble, look.look)
    claims.finish = crashing(trouble, claims.finish, lambda held, *_more: ("finish", f"finish-{held.stage}"))
    claims.release = crashing(trouble, claims.release, lambda *_arguments: ("release",))
    services.requeue = crashing(trouble, services.requeue, lambda *_arguments: ("requeue",))
    lifecycle.purge = crashing(trouble, lifecycle.purge, lambda *_arguments: ("purge",))


# --- Stages -----------------------------------------------------------------------------------------------------------


def _troubled(trouble: Trouble, stage: str, work: Callable) -> Callable:
    def run(context: Any) -> dict:
        order = trouble.take(stage)
        if order is None:
            return work(context)
        _place, kind, argument = order
        logger.warning("%s suffers: %s %s", context.held, kind, argument)
        if kind in _AFTER:
            output = work(context)
            _AFTER[kind]()
            return output
        return _in_the_middle(stage, work, context, functools.partial(_SUFFER[kind], stage, argument))

    return run


def _in_the_middle(stage: str, work: Callable, context: Any, suffer: Callable[[], Undo]) -> dict:
    """Run a stage that suffers once its first step is done, or its checks; at its end if it has no steps."""
    from workers import engine_factory

    is_over, ends = False, []  # what is left of a fault must not reach the next stage

    def once() -> None:
        nonlocal is_over
        if not is_over:
            is_over = True
            if end := suffer():
                ends.append(end)

    on_step, verify_all = context.on_step, engine_factory.verify_all
    early = 0 if stage in ("interpolate", "upscale") else 1  # these may have a single step

    def step(done: int, *more: Any) -> None:
        on_step(done, *more)
        if done >= early:
            once()

    def verify(request: Any) -> None:
        verify_all(request)
        once()

    context.on_step, engine_factory.verify_all = step, verify
    try:
        output = work(context)
        once()
        return output
    finally:
        engine_factory.verify_all = verify_all
        for end in ends:
            end()


def _hang() -> None:
    ctypes.PyDLL(None).sleep(LONG)  # does not let go of the interpreter's lock


def _oom(stage: str, argument: str) -> Undo:
    times = int(argument or 1)
    if stage in ("generate", "upscale"):
        return _torch_runs_out(times)
    if stage == "interpolate":
        return _tensorflow_runs_out(times)
    raise MemoryError


def _torch_runs_out(times: int) -> Undo:
    """Let the next calls of networks fail, in whatever engine, on whatever device."""
    import torch
    from torch.nn.modules.module import register_module_forward_pre_hook

    left = times

    def run_out(_module: Any, _inputs: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            hook.remove()
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    hook = register_module_forward_pre_hook(run_out)
    return hook.remove


def _tensorflow_runs_out(times: int) -> Undo:
    import tensorflow as tf

    from workers.engines.film import FilmEngine

    call, left = FilmEngine._call, times

    def run_out(*_arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            restore()
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[1,64,64,64]")

    def restore() -> None:
        FilmEngine._call = call

    FilmEngine._call = run_out
    return restore


def _lose_card(stage: str, _argument: str) -> None:
    text = "an illegal memory access was encountered"
    if stage == "interpolate":
        import tensorflow as tf

        raise tf.errors.UnknownError(None, None, f"CUDA_ERROR_ILLEGAL_ADDRESS: {text}")
    if stage in ("generate", "upscale"):
        import torch

        raise torch.AcceleratorError(f"CUDA error: {text}\nCompile with `TORCH_USE_CUDA_DSA` to enable it.")
    raise RuntimeError(f"CUDA error: {text}")


def _explode(_stage: str, argument: str) -> None:
    """Take memory until the kernel ends this process. It chooses this one, not its parent, which is innocent."""
    score = Path("/proc/self/oom_score_adj")
    before = score.read_text()
    score.write_text("1000")
    held = []
    for _ in range(int(argument or BOMB_MEGABYTES)):
        block = mmap.mmap(-1, 2**20)
        block.write(b"x" * 2**20)
        held.append(block)
    score.write_text(before)
    logger.error("The bomb did not go off: there is memory for %s MB more", len(held))


def _die(*_arguments: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _bug(stage: str, _argument: str) -> None:
    raise RuntimeError(f"a bug in {stage}, by order")


def _stop(_stage: str, argument: str) -> None:
    seconds = float(argument or STOP_SECONDS)
    wake = f"sleep {seconds}; kill -CONT {os.getpid()}"
    helper = subprocess.Popen(["sh", "-c", wake], start_new_session=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    helper.wait()


_AFTER: dict[str, Callable[[], None]] = {"sleep": lambda: time.sleep(LONG), "hang": _hang}
_SUFFER: dict[str, Callable[[str, str], Undo]] = {
    "oom": _oom, "card": _lose_card, "bomb": _explode, "die": _die, "bug": _bug, "stop": _stop,
}  # fmt: skip


def _looking(trouble: Trouble, look: Callable) -> Callable:
    """Return the safety check's `look`, which suffers what is ordered first."""

    @functools.wraps(look)
    def run(*arguments: Any) -> dict[str, Any]:
        if order := trouble.take("look"):
            _place, kind, argument = order
            _AFTER[kind]() if kind in _AFTER else _SUFFER[kind]("look", argument)
        return look(*arguments)

    return run


# --- Calls that are crashed line by line ------------------------------------------------------------------------------


def crashing(trouble: Trouble, call: Callable, places: Callable[..., tuple[str, ...]]) -> Callable:
    """Return `call`, which crashes at the line that the order of one of its `places(*arguments)` names."""

    @functools.wraps(call)
    def run(*arguments: Any, **named: Any) -> Any:
        order = trouble.take(*places(*arguments))
        if order is None:
            return call(*arguments, **named)
        place, kind, argument = order
        last = int(argument) if kind == "crash" else -1
        if last == 0:
            _die()
        lines = Lines(last)
        with lines:
            result = call(*arguments, **named)
        trouble.note(place, f"{lines.count} lines")
        if kind == "crash":
            _die()
        return result

    return run


class Lines:
    """Counts the lines of our own code that this thread runs within the block; kills the process at the `last`."""

    def __init__(self, last: int) -> None:
        self.last, self.count = last, 0

    def __enter__(self) -> "Lines":
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: Any, _event: str, _argument: object) -> Any:
        return self._step if frame.f_code.co_filename.startswith(OURS) else None

    def _step(self, _frame: Any, event: str, _argument: object) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self.last:
                _die()
        return self._step
