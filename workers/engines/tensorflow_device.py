"""TensorFlow on a card: imported late, with an allocator that takes what it needs and shares the rest."""

import ctypes
import logging
import os
from typing import Any

from workers.engines.device_errors import Fault, fault_of
from workers.engines.importing import absent

logger = logging.getLogger(__name__)

MEMORY_POOLS = 115  # CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED


def tensorflow() -> Any:
    """Import TensorFlow on first use: it takes seconds, and no web process may load it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if "TF_GPU_ALLOCATOR" not in os.environ and has_memory_pools():  # without them, TensorFlow aborts the process
        os.environ["TF_GPU_ALLOCATOR"] = "cuda_malloc_async"
    with absent("matplotlib"):  # Keras imports it for plots, which takes a second
        import tensorflow as tf

    return tf


def cards(tf: Any) -> list[Any]:
    """Return the GPUs TensorFlow sees, set to allocate on demand and to compute deterministically."""
    found = tf.config.list_physical_devices("GPU")
    try:
        for card in found:
            tf.config.experimental.set_memory_growth(card, True)
        if found:
            tf.config.experimental.enable_op_determinism()
    except RuntimeError:  # GPUs already in use keep the settings they were initialized with
        logger.debug("TensorFlow was set up before")
    return found


def card_cannot(error: BaseException) -> bool:
    """Return whether an error says that TensorFlow cannot use this card, now or ever: the CPU can.

    Its wheels end at compute capability 9.0, and what they do on newer cards depends on the driver. Memory that ran out
    has other remedies, and a lost context takes the process with it.
    """
    return fault_of(error) in (Fault.UNSUPPORTED, Fault.OLD_DRIVER, Fault.OTHER)


def has_memory_pools(library: str = "libcuda.so.1") -> bool:
    """Return whether the first card has the driver's own memory pools, which `cuda_malloc_async` needs."""
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return False
    value, device = ctypes.c_int(0), ctypes.c_int(0)
    calls = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGet(ctypes.byref(device), 0),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(value), MEMORY_POOLS, device),
    )
    return not any(call() for call in calls) and bool(value.value)
