"""A SavedModel in a process of its own (model_host.py), as a function of arrays."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from auravideo.core.liveness.parents import die_with_parent
from workers.engines.apart.own_folder import OwnFolder
from workers.engines.apart.saved_model import UnsafeModelError

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
MOST_HEADER = 2**16
_END_SECONDS = 5.0

# What TensorFlow and the loader of libraries read. Anything else may be a secret.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_KEPT_BEGINNINGS = ("CUDA_", "NVIDIA_", "TF_", "XLA_", "ONEDNN_", "OMP_", "KMP_", "MKL_")
_ERRORS: Mapping[str, type[Exception]] = {
    "unsafe": UnsafeModelError,
    "memory": MemoryError,
    "device": RuntimeError,
    "import": ImportError,
}


class ModelProcessError(Exception):
    """The process of the model has ended, or does not keep to what was agreed."""


def environment(folder: str) -> dict[str, str]:
    """Return the environment of the process: what its libraries need, with `folder` for everything that they write."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)}
    # Libraries may be installed below the home, which is another there, or where a PYTHONPATH says.
    path = os.pathsep.join(filter(None, sys.path))
    return {**kept, "HOME": folder, "TMPDIR": folder, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def end_alike(code: int) -> None:
    """End this process if that of the model was killed, so that whoever watches learns why: out of memory, say."""
    if code < 0:
        logger.error("The process of a model ended with %s, and this one with it", code)
        os.kill(os.getpid(), signal.SIGKILL)


class RemoteModel:
    """A SavedModel with FILM's signature.

    Args:
        folder: of the model.
        device: "auto", "cpu" or "gpu"; the property of this name says what it became.
        on_death: called with the exit code if the process ends by itself.

    Raises:
        UnsafeModelError, MemoryError, RuntimeError (of the device), ImportError, ValueError: why it was not loaded.
        ModelProcessError: the process ended.
    """

    def __init__(self, folder: Path, device: str, on_death: Callable[[int], None] | None = None) -> None:
        self._on_death = on_death
        self._folder = OwnFolder()
        ours, theirs = socket.socketpair()
        # In a session of its own: Ctrl-C asks the worker to finish its stage, for which it needs this process.
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  a module of ours
                [sys.executable, "-m", "workers.engines.apart.model_host", str(theirs.fileno())],
                cwd=ROOT, env=environment(self._folder.path), stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
                preexec_fn=partial(die_with_parent, signal.SIGKILL), start_new_session=True,
            )  # fmt: skip
        self._connection = Connection(ours.detach())
        try:
            self.device: str = self._ask({"folder": str(folder.resolve()), "device": device})["device"]
        except BaseException:
            self.close()
            raise

    def __call__(self, x0: np.ndarray, x1: np.ndarray, times: list[float]) -> np.ndarray:
        """Return the frames between: float32 [B, H, W, 3] twice and B times to whatever shape the model answers."""
        frames = [np.ascontiguousarray(x, np.float32) for x in (x0, x1)]
        shape = self._ask({"shape": list(x0.shape), "times": times}, *frames)["shape"]
        content = self._received(4 * max(1, x0.size))
        try:
            return np.frombuffer(content, np.float32).reshape(shape)
        except (TypeError, ValueError) as error:
            raise ModelProcessError("The answer is not what it says") from error

    def close(self) -> None:
        """End the process, which frees all of its memory."""
        self._connection.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.remove()

    def _ask(self, question: Mapping[str, Any], *arrays: np.ndarray) -> dict[str, Any]:
        try:
            self._connection.send_bytes(json.dumps(question).encode())
            for array in arrays:
                self._connection.send_bytes(array.data)
        except OSError:
            self._lost()
        answer = json.loads(self._received(MOST_HEADER))
        if "error" in answer:
            raise _ERRORS.get(answer["error"], ValueError)(answer["text"])
        return answer

    def _received(self, longest: int) -> bytes:
        try:
            return self._connection.recv_bytes(longest)
        except (EOFError, ConnectionError):
            self._lost()
        except OSError as error:  # a message that is too long
            self._process.kill()
            raise ModelProcessError("The answer is longer than it may be") from error

    def _lost(self) -> NoReturn:
        code = self._process.wait()
        if self._on_death is not None:
            self._on_death(code)
        raise ModelProcessError(f"The process of the model ended with {code}")
