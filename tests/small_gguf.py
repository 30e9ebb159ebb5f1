"""GGUF files of the small models, with the names, shapes and types of those that people share."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# From diffusers' names to those of Wan's own code, in their order.
_OWN_NAMES = (
    (r"^condition_embedder\.(time|text)_embedder\.linear_1\.", r"\1_embedding.0."),
    (r"^condition_embedder\.(time|text)_embedder\.linear_2\.", r"\1_embedding.2."),
    (r"^condition_embedder\.time_proj\.", "time_projection.1."),
    (r"^proj_out\.", "head.head."),
    (r"^scale_shift_table$", "head.modulation"),
    (r"\.scale_shift_table$", ".modulation"),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_out\.0\.", ".o."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"\.ffn\.net\.0\.proj\.", ".ffn.0."),
    (r"\.ffn\.net\.2\.", ".ffn.2."),
    (r"\.norm2\.", ".norm0."),
    (r"\.norm3\.", ".norm2."),
    (r"\.norm0\.", ".norm3."),
)


def own_name(name: str) -> str:
    """Return what Wan's own code calls a weight."""
    for ours, theirs in _OWN_NAMES:
        name = re.sub(ours, theirs, name)
    return name


def own_name_of_ltx(name: str) -> str:
    """Return what LTX-Video's own code calls a weight."""
    for ours, theirs in (("proj_in.", "patchify_proj."), ("time_embed.", "adaln_single.")):
        name = re.sub(f"^{re.escape(ours)}", theirs, name)
    return name.replace("norm_q", "q_norm").replace("norm_k", "k_norm")


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    """Return the transformer's weights in a model's folder, under diffusers' names."""
    from safetensors.numpy import load_file

    return load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")


def write_transformer(
    path: Path,
    folder: Path,
    kind: str,
    *,
    architecture: str | None = "wan",
    others: str = "F16",
    renamed: Any = own_name,
    left_out: str = "",
) -> Path:
    """Write the transformer of the model in `folder`, by default one of Wan, as one file.

    Matrices are of the type `kind`, where their rows are long enough. As is usual, vectors and modulations are F32.

    Args:
        others: the type of the patches' kernel, and of matrices whose rows are too short.
        renamed: returns the name of a weight in the file.
        left_out: a weight that the file lacks.
    """
    import gguf

    weights = {}
    for name, weight in weights_of(folder).items():
        is_plain = weight.ndim == 1 or name.endswith("scale_shift_table")
        block, _size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        of_kind = kind if weight.ndim == 2 and weight.shape[-1] % block == 0 else others
        if name != left_out:
            weights[renamed(name)] = (weight, "F32" if is_plain else of_kind)
    return write_gguf(path, weights, architecture)


def write_gguf(path: Path, weights: Mapping[str, tuple[np.ndarray, str]], architecture: str | None = "wan") -> Path:
    """Write weights, each of a type, as one file."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture or "")
    if architecture is None:
        writer.kv_data[0].clear()
    for name, (weight, kind) in weights.items():
        found = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, packed(weight, kind), raw_dtype=found)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def packed(weight: np.ndarray, kind: str) -> np.ndarray:
    """Return a weight as the bytes of a type, or as numbers if it is of a plain one.

    The library packs no Q4_K and Q6_K: theirs are random numbers, as large as those of a new network.
    """
    import gguf

    if kind not in ("Q4_K", "Q6_K"):
        return gguf.quants.quantize(weight, gguf.GGMLQuantizationType[kind])
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    rows, length = weight.shape
    blocks = np.random.default_rng(rows + length).integers(0, 256, (rows, length // block, size), dtype=np.uint8)
    scale = np.frombuffer(np.float16(1e-4 if kind == "Q4_K" else 1e-5).tobytes(), np.uint8)
    if kind == "Q4_K":
        blocks[..., 0:2], blocks[..., 2:4] = scale, scale
    else:
        blocks[..., -2:] = scale
    return blocks.reshape(rows, -1)
