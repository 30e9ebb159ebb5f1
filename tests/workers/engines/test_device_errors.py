"""Messages as the libraries word them: from their binaries where these are installed, or from their issue trackers."""

from pathlib import Path

import pytest
import torch

from workers.engines.device_errors import Fault, fault_of, first_line, is_out_of_memory, lasting_fault

ADVICE = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)


def accelerator(text):
    return torch.AcceleratorError(f"CUDA error: {text}{ADVICE}")


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.OutOfMemoryError("HIP out of memory. Tried to allocate 3.31 GiB. GPU 0 has a total capacity of 128.00 GiB"),
    MemoryError(),
    accelerator("out of memory"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    RuntimeError("cuDNN Frontend error: [cudnn_frontend] Error: No execution plans support the graph."),
    RuntimeError(
        'NVML_SUCCESS == DriverAPI::get()->nvmlInit_v2_() INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":963, '
        "please report a bug to PyTorch. "
    ),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError(
        "MPS backend out of memory (MPS allocated: 8.77 GB, other allocations: 312 MB, max allowed: 9.07 GB). Tried to "
        "allocate 64.00 MB on private pool."
    ),
    RuntimeError("Invalid buffer size: 12.00 GB"),
    RuntimeError("XPU out of memory. Tried to allocate 64.00 GiB."),
    RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    RuntimeError("UR backend failed. UR backend returns:40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)"),
    RuntimeError("HIP error: out of memory"),
]
LOST = [
    *(accelerator(text) for text in (
        "an illegal memory access was encountered", "unspecified launch failure", "device-side assert triggered",
        "unknown error", "the launch timed out and was terminated", "misaligned address",
        "uncorrectable ECC error encountered", "CUDA-capable device(s) is/are busy or unavailable",
        "no CUDA-capable device is detected", "context is destroyed",
    )),
    RuntimeError("CUDA error: an illegal memory access was encountered" + ADVICE),
    RuntimeError("CUDA driver error: unknown error"),
    RuntimeError("No CUDA GPUs are available"),
    RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"),
    RuntimeError("level_zero backend failed with error: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
]  # fmt: skip
UNSUPPORTED = [
    accelerator("no kernel image is available for execution on the device"),
    RuntimeError("HIP error: invalid device function"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH"),
]
OLD_DRIVER = [
    RuntimeError(
        "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver by "
        "downloading and installing a new version"
    ),
    accelerator("CUDA driver version is insufficient for CUDA runtime version"),
    accelerator("system has unsupported display driver / cuda driver combination"),
    accelerator("the provided PTX was compiled with an unsupported toolchain."),
]
OTHER = [accelerator("invalid argument"), RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM")]
NONE = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (77x768 and 1024x320)"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    RuntimeError("expected scalar type Half but found Float"),
    ValueError("out of memory"),
    KeyError("CUDA error"),
    FileNotFoundError("unknown error"),
]
CASES = {
    Fault.OUT_OF_MEMORY: OUT_OF_MEMORY, Fault.LOST: LOST, Fault.UNSUPPORTED: UNSUPPORTED, Fault.OLD_DRIVER: OLD_DRIVER,
    Fault.OTHER: OTHER, None: NONE,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "error"),
    [(fault, error) for fault, errors in CASES.items() for error in errors],
    ids=lambda value: value if isinstance(value, Fault) else first_line(value)[:60] if value else "None",
)
def test_a_message_says_what_is_wrong_with_the_device(fault, error):
    assert fault_of(error) is fault
    assert is_out_of_memory(error) is (fault is Fault.OUT_OF_MEMORY)


def test_the_messages_are_those_of_the_libraries_that_are_installed():
    """The texts are our only hold, so a version that words them otherwise must not go unnoticed."""
    library = Path(torch.__file__).parent / "lib" / "libc10_cuda.so"
    if not library.is_file():
        pytest.skip("torch was built for the CPU")
    content = library.read_bytes()
    for text in (
        "CUDA out of memory. ",
        "driver on your system is too old",
        "CUDA unknown error",
        "CUDA driver error: ",
    ):
        assert text.encode() in content


@pytest.mark.parametrize(
    ("error", "id"),
    [(UNSUPPORTED[0], "card-unsupported"), (OLD_DRIVER[0], "driver-too-old"), (LOST[0], None), (NONE[0], None)],
)
def test_what_no_other_try_can_mend_is_an_error_that_names_the_card(error, id):
    found = lasting_fault(error, "NVIDIA GeForce GTX 1080")
    assert (found.id if found else None) == id
    assert found is None or "GTX 1080" in found.text


def test_the_first_line_leaves_out_the_advice():
    assert first_line(LOST[0]) == "CUDA error: an illegal memory access was encountered"
    assert first_line(MemoryError()) == "MemoryError"
