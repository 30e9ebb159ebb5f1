"""What an error of torch or TensorFlow says about the device: the one place that reads their messages.

Both report most faults of a card as a plain error with a text, which is the only thing to tell them apart. The texts
are those of CUDA's `cudaGetErrorString`, cuDNN's and cuBLAS's status names, ROCm's, Level Zero's and Metal's.
"""

import re
import sys
from enum import StrEnum

from generation.domain.errors import RenderError


class Fault(StrEnum):
    """What is wrong with a device, by what can be done about it."""

    OUT_OF_MEMORY = "out of memory"  # try again with less
    LOST = "context lost"  # nothing works in this process any more; a new one may
    UNSUPPORTED = "unsupported"  # the installed kernels do not run on this card
    OLD_DRIVER = "driver too old"
    OTHER = "other"  # the device's, not the model's, but none of the above


def _any(*texts: str) -> re.Pattern[str]:
    return re.compile("|".join(texts), re.IGNORECASE)


# In the order in which they are tried. cuDNN and cuBLAS say "internal error", "not initialized" or "no engine" if they
# cannot get a workspace or load their own kernels: pytorch#81620 (CUDNN_STATUS_INTERNAL_ERROR while 500 MB of kernels
# are loaded), pytorch#108645 (GET was unable to find an engine), ComfyUI#10090 (No execution plans support the graph).
_SIGNS: tuple[tuple[Fault, re.Pattern[str]], ...] = (
    (
        Fault.OLD_DRIVER,
        _any(
            "driver on your system is too old",
            "driver version is insufficient",
            "unsupported display driver / cuda driver combination",
            "forward compatibility was attempted",
            "compiled with an unsupported toolchain",
            "UNSUPPORTED_PTX_VERSION",
        ),
    ),
    (
        Fault.UNSUPPORTED,
        _any(
            "no kernel image is available",
            "kernel image is invalid",
            "(CUDA|HIP) error: invalid device function",
            "NO_?BINARY_?FOR_?GPU",
            "CUDA_ERROR_INVALID_(PTX|HANDLE|IMAGE|SOURCE)",  # how TensorFlow fails on a card newer than its wheel
            "not built with CUDA kernel binaries",
            "Failed to load in-memory CUBIN",
            "JIT compilation failed",
            "ARCH_MISMATCH",
        ),
    ),
    (
        Fault.LOST,
        _any(
            "illegal memory access",
            "unspecified launch failure",
            "launch timed out",
            "device-side assert triggered",
            "misaligned address",
            "illegal instruction",
            "illegal barrier",
            "invalid program counter",
            "hardware stack error",
            "uncorrectable (ECC|NVLink) error",
            "(CUDA|HIP)( driver)? error: unknown error",
            "CUDA unknown error",
            "CUDA driver initialization failed",
            "context is destroyed",
            "(GPU|device) (is|was) lost|DEVICE_LOST",
            "busy or unavailable",
            "no CUDA-capable device",
            "No (CUDA|HIP|XPU) GPUs are available",
            "system not yet initialized",
            "CUDA_ERROR_(UNKNOWN|ILLEGAL_ADDRESS|LAUNCH_FAILED|LAUNCH_TIMEOUT|CONTEXT_IS_DESTROYED|DEVICE_UNAVAILABLE"
            "|ECC_UNCORRECTABLE|NO_DEVICE|NOT_INITIALIZED|MISALIGNED_ADDRESS|ASSERT)",
            "hipError(Unknown|IllegalAddress|LaunchFailure|LaunchTimeOut|Assert|NoDevice|ContextIsDestroyed)",
            "(CUDNN|CUBLAS)_STATUS_(EXECUTION_FAILED|MAPPING_ERROR)",
        ),
    ),
    (
        Fault.OUT_OF_MEMORY,
        _any(
            "out of memory",
            "can't allocate memory",
            "OUT_OF_(HOST_|DEVICE_)?MEMORY|OUT_OF_RESOURCES|OutOfMemory",
            "_STATUS_ALLOC_FAILED",
            "_STATUS_NOT_INITIALIZED when calling",
            "(CUDNN|CUBLAS)_STATUS_INTERNAL_ERROR|miopenStatusInternalError",
            "unable to find an engine to execute this computation",
            "No execution plans (support the graph|built successfully)",
            "NVML_SUCCESS == .*INTERNAL ASSERT FAILED",  # torch fails while it words its own message
            "Invalid buffer size:",  # Metal
            "Insufficient Memory",
            "OOM when allocating",
            "Dst tensor is not initialized",
            "failed to allocate",
            "Could not create cudnn handle",
        ),
    ),
    (
        Fault.OTHER,
        _any(
            r"\b(CUDA|HIP)( driver)? error",
            r"\bcuDNN( Frontend)? error",
            "(CUDNN|CUBLAS|CUFFT|CUSOLVER|ROCBLAS|MIOPEN)_STATUS_",
            "CUDA_ERROR_|hipError|UR_RESULT_ERROR_",
            "CUDA runtime implicit initialization",
            r"\bcu(Launch|Module|Ctx|Mem|Stream|DNN)[A-Z]\w*\(",
            "MPS backend|XPU error|level_zero backend",
            "DNN library|No algorithm worked|Blas (GEMM|xGEMM) launch failed|libdevice not found|Autotuning failed",
        ),
    ),
)
_ERROR_IDS = {Fault.UNSUPPORTED: "card-unsupported", Fault.OLD_DRIVER: "driver-too-old"}


def fault_of(error: BaseException) -> Fault | None:
    """Return what an error says about the device; None if it is about something else."""
    if isinstance(error, MemoryError):
        return Fault.OUT_OF_MEMORY
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return Fault.OUT_OF_MEMORY
    if not isinstance(error, RuntimeError) and not _is_of_tensorflow(error):
        return None
    if type(error).__name__ == "ResourceExhaustedError":
        return Fault.OUT_OF_MEMORY
    text = str(error)
    found = next((fault for fault, signs in _SIGNS if signs.search(text)), None)
    if found is None and torch is not None and isinstance(error, torch.AcceleratorError):
        return Fault.OTHER
    return found


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` means that memory ran out: on the GPU, in a CUDA library, or on the CPU."""
    return fault_of(error) is Fault.OUT_OF_MEMORY


def lasting_fault(error: BaseException, card: str) -> RenderError | None:
    """Return the error for the user if this device can never do the work; None if it is something else.

    Args:
        card: the card's name.
    """
    id = _ERROR_IDS.get(fault) if (fault := fault_of(error)) else None
    return RenderError(id, card=card) if id else None


def first_line(error: BaseException) -> str:
    """Return what an error says, without the advice that torch and TensorFlow append."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _is_of_tensorflow(error: BaseException) -> bool:
    return any(base.__module__.startswith("tensorflow.") for base in type(error).__mro__)
