"""LoRAs on the other families: applied as a whole, gone without a trace, or refused with the reason."""

import numpy as np
import pytest

from generation.domain.errors import RenderError
from tests.workers.engines.families.conftest import FAMILIES
from tests.workers.engines.families.test_families import make
from workers.engines.base import Lora

WAN, HUNYUAN = FAMILIES[0], FAMILIES[-1]
RANK = 2


def write_lora(path, network, layers, prefix="transformer.", down="lora_A", up="lora_B"):
    """Write a LoRA for the linear layers of `network` whose names end with one of `layers`."""
    import torch
    from safetensors.torch import save_file

    random = torch.Generator().manual_seed(1)
    weights = {}
    for name, layer in network.named_modules():
        if name.endswith(layers) and isinstance(layer, torch.nn.Linear):
            weights[f"{prefix}{name}.{down}.weight"] = torch.randn(RANK, layer.in_features, generator=random)
            weights[f"{prefix}{name}.{up}.weight"] = torch.randn(layer.out_features, RANK, generator=random)
    assert weights
    save_file(weights, path)
    return path


@pytest.fixture
def engine(new_engine):
    engine = new_engine(WAN)
    engine.load()
    return engine


@pytest.mark.parametrize(
    ("prefix", "down", "up"),
    [("transformer.", "lora_A", "lora_B"), ("diffusion_model.", "lora_down", "lora_up")],
    ids=["diffusers", "as trainers write them"],
)
def test_a_lora_changes_the_clip_and_leaves_no_trace(engine, tmp_path, prefix, down, up):
    names = ("attn1.to_q", "attn1.to_out.0") if prefix == "transformer." else ()
    network = engine._pipeline.transformer
    if names:
        path = write_lora(tmp_path / "style.safetensors", network, names, prefix, down, up)
    else:
        path = write_original_lora(tmp_path / "style.safetensors", network)
    plain = make(engine, WAN)
    changed = make(engine, WAN, loras=[Lora(path, 1.0, "Style")])
    assert not np.array_equal(changed, plain)
    assert np.array_equal(make(engine, WAN), plain)
    assert np.array_equal(make(engine, WAN, loras=[Lora(path, 1.0, "Style")]), changed)


def write_original_lora(path, network):
    """Write a LoRA with the names of Wan's own code, as its trainers do."""
    import torch
    from safetensors.torch import save_file

    width = network.config.num_attention_heads * network.config.attention_head_dim
    weights = {}
    random = torch.Generator().manual_seed(1)
    for block in range(network.config.num_layers):
        for part in ("q", "k", "v", "o"):
            name = f"diffusion_model.blocks.{block}.self_attn.{part}"
            weights[f"{name}.lora_down.weight"] = torch.randn(RANK, width, generator=random)
            weights[f"{name}.lora_up.weight"] = torch.randn(width, RANK, generator=random)
    save_file(weights, path)
    return path


def test_a_lora_that_fits_in_part_is_not_applied_at_all(engine, tmp_path):
    from safetensors.torch import load_file, save_file

    path = write_lora(tmp_path / "style.safetensors", engine._pipeline.transformer, ("attn1.to_q",))
    weights = load_file(path)
    other = {name.replace("blocks.0.", "blocks.77."): weight.clone() for name, weight in weights.items()}
    save_file({**weights, **other}, path)
    plain = make(engine, WAN)
    with pytest.raises(RenderError) as caught:
        make(engine, WAN, loras=[Lora(path, 1.0, "Style")])
    assert caught.value.id == "lora-mismatch"
    assert "2 of its 3 modules match" in caught.value.text
    assert np.array_equal(make(engine, WAN), plain)


def test_a_lora_for_another_network_is_refused(engine, tmp_path):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "flux.safetensors"
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    save_file({f"{name}.lora_down.weight": torch.zeros(2, 8), f"{name}.lora_up.weight": torch.zeros(8, 2)}, path)
    with pytest.raises(RenderError) as caught:
        make(engine, WAN, loras=[Lora(path, 1.0, "Style")])
    assert caught.value.id == "lora-for-another-model"
    assert "Flux" in caught.value.text


@pytest.mark.thorough
def test_a_family_that_takes_no_loras_says_so(new_engine, tmp_path):
    engine = new_engine(HUNYUAN)
    engine.load()
    path = write_lora(tmp_path / "style.safetensors", engine._pipeline.transformer, ("to_q",))
    with pytest.raises(RenderError) as caught:
        make(engine, HUNYUAN, loras=[Lora(path, 1.0, "Style")])
    assert caught.value.id == "lora-unsupported"
    assert "Small model takes none" in caught.value.text
