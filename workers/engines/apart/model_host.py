"""A process that holds one SavedModel and nothing worth stealing: no secrets, no database, few files, no network.

A SavedModel is checked before it is loaded (saved_model.py). This is for what the check may miss: the process is
started with a short environment and only its own socket, confines itself before TensorFlow starts threads, and then
answers one call at a time (remote_model.py has the other end).
"""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from workers.engines.apart.confinement import confine
from workers.engines.apart.saved_model import UnsafeModelError, require_safe
from workers.engines.device_errors import fault_of, is_out_of_memory
from workers.engines.importing import uncollected
from workers.engines.tensorflow_device import cards, tensorflow

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
_SYSTEM = ("/usr", "/lib", "/lib64", "/opt", "/sys", "/dev", "/run/nvidia-persistenced", "/run/opengl-driver", "/nix")
_SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "passwd", "group")
# Of /proc, nothing about other processes: their environment has the secrets.
_KERNEL = (
    "cpuinfo", "devices", "driver", "filesystems", "meminfo", "modules", "self", "stat", "sys", "thread-self",
    "version", "vmstat",
)  # fmt: skip


def restrict(folder: Path) -> bool:
    """Leave this process the libraries, the devices and the model. Return whether the kernel could do that."""
    readable = [folder, Path(sys.prefix), Path(sys.base_prefix), *_libraries(folder), *map(Path, _SYSTEM)]
    readable += [Path("/etc") / name for name in _SETTINGS] + [Path("/proc") / name for name in _KERNEL]
    return confine(readable, [Path("/dev"), Path("/proc/self"), Path(tempfile.gettempdir())])


def _libraries(model: Path) -> Iterator[Path]:
    """Yield where modules are imported from, but no folder with the site's code or models: secrets are near."""
    for path in map(Path, filter(None, sys.path)):
        if not any(held.is_relative_to(path.resolve()) for held in (ROOT, model)):
            yield path


def serve(connection: Connection) -> None:
    """Load the model that the first message names, then answer calls until the other end closes."""
    order = json.loads(connection.recv_bytes())
    folder = Path(order["folder"])
    restrict(folder)
    try:
        with uncollected():
            tf = tensorflow()
        found = cards(tf) if order["device"] != "cpu" else []
        if not found and order["device"] == "auto" and Path("/dev/nvidiactl").exists():
            logger.warning("TensorFlow sees no card in the process of the model, so it goes on with the CPU")
        device = order["device"] if order["device"] != "auto" else "gpu" if found else "cpu"
        place = "/GPU:0" if device == "gpu" else "/CPU:0"
        require_safe(folder)
        with tf.device(place):
            model = tf.saved_model.load(str(folder))
    except Exception as error:
        _answer(connection, error)
        return
    connection.send_bytes(json.dumps({"device": device}).encode())
    for shape, x0, x1, times in _calls(connection):
        try:
            with tf.device(place):
                inputs = {
                    "x0": tf.constant(x0),
                    "x1": tf.constant(x1),
                    "time": tf.constant(times, tf.float32, [shape[0], 1]),
                }
                image = np.ascontiguousarray(model(inputs)["image"].numpy(), np.float32)
        except Exception as error:
            _answer(connection, error)
            continue
        connection.send_bytes(json.dumps({"shape": image.shape}).encode())
        connection.send_bytes(image.data)


def _calls(connection: Connection) -> Iterator[tuple[list[int], np.ndarray, np.ndarray, list[float]]]:
    while True:
        try:
            call = json.loads(connection.recv_bytes())
            x0, x1 = (np.frombuffer(connection.recv_bytes(), np.float32).reshape(call["shape"]) for _ in range(2))
        except EOFError:
            return
        yield call["shape"], x0, x1, call["times"]


def _answer(connection: Connection, error: Exception) -> None:
    kind = "value"
    if isinstance(error, UnsafeModelError):
        kind = "unsafe"
    elif is_out_of_memory(error):
        kind = "memory"
    elif isinstance(error, ImportError):
        kind = "import"
    elif fault_of(error) is not None:
        kind = "device"
    text = f"{type(error).__name__}: {error}" if kind == "value" else str(error)
    connection.send_bytes(json.dumps({"error": kind, "text": text[:4000]}).encode())


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
    os._exit(0)  # no farewells: what the worker's modules would do at the end needs files and the network
