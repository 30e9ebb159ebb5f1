"""Transformer and VAE in one file, as LTX-Video's distilled versions are published."""

import shutil

import numpy as np
import pytest

from generation.domain.errors import RenderError
from tests import small_families
from tests.workers.engines.families.conftest import FAMILIES
from tests.workers.engines.families.test_families import make

LTX = next(family for family in FAMILIES if family.name == "ltx-distilled")


@pytest.fixture
def configuration(small_folder, tmp_path):
    """Return a copy of the model's folder without the networks that are in the file."""
    copy = shutil.copytree(small_folder(LTX), tmp_path / "configuration")
    for part in ("transformer", "vae"):
        (copy / part / "diffusion_pytorch_model.safetensors").unlink()
    return copy


def open_file(configuration, file):
    from workers.engines.families.engine import FamilyEngine

    return FamilyEngine(
        configuration,
        LTX.pipeline,
        rule=LTX.rule,
        call=LTX.call,
        fps=24,
        label="In one file",
        device="cpu",
        weights=file,
    )


def test_a_single_file_makes_the_same_clip_as_the_folder(configuration, small_folder, new_engine, tmp_path):
    file = small_families.write_ltx_file(tmp_path / "ltx.safetensors", small_folder(LTX))
    assert np.array_equal(make(open_file(configuration, file), LTX), make(new_engine(LTX), LTX))


def test_a_file_that_lacks_a_weight_is_refused_by_name(configuration, small_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    file = small_families.write_ltx_file(tmp_path / "ltx.safetensors", small_folder(LTX))
    weights = load_file(file)
    weights.pop("model.diffusion_model.patchify_proj.weight")
    save_file(weights, file)
    with pytest.raises(RenderError) as caught:
        open_file(configuration, file).load()
    assert caught.value.id == "checkpoint-mismatch"
    assert "proj_in.weight" in caught.value.text


def test_a_file_of_something_else_is_refused(configuration, tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"some.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(RenderError) as caught:
        open_file(configuration, tmp_path / "other.safetensors").load()
    assert caught.value.id == "checkpoint-unknown"
    assert "Stable Diffusion" not in caught.value.text
