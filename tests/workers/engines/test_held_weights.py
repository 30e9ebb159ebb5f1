"""Blocks whose weights are elsewhere or smaller while they rest: the numbers, and what is put back."""

import pytest
import torch

from workers.engines.animatediff.loras import set_loras
from workers.engines.diffusion.guidance import guide_at_once, guide_in_two_passes
from workers.engines.diffusion.held_weights import (
    keep_away,
    keep_in_eight_bits,
    put_back,
    saved_bytes,
    to_eight_bits,
)
from workers.engines.memory import join_inference, split_inference


@pytest.fixture
def engine(new_engine):
    engine = new_engine()
    engine.load()
    return engine


@pytest.fixture
def unet(engine):
    return engine._pipeline.unet


def run(unet):
    """Return what the network makes of two clips of three frames."""
    sample = torch.randn(2, 4, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    text = torch.randn(6, 77, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return unet(sample, 500, encoder_hidden_states=text).sample


def in_blocks(unet):
    """Return the tensors of the network's blocks by name."""
    return {name: tensor for name, tensor in unet.state_dict().items() if "_blocks." in name or "mid_block." in name}


@pytest.mark.parametrize("is_split", [False, True])
def test_blocks_in_main_memory_are_empty_until_they_work_and_compute_the_same(unet, is_split):
    if is_split:
        split_inference(unet, spatial=5, temporal=2)
    whole = run(unet)
    keep_away(unet, "cpu")
    assert all(tensor.numel() == 0 for tensor in in_blocks(unet).values())
    assert torch.equal(run(unet), whole)
    assert all(tensor.numel() == 0 for tensor in in_blocks(unet).values()), "a block kept its weights"
    assert unet.conv_in.weight.numel(), "what is in no block stays"


@pytest.mark.parametrize("keep", [keep_away, keep_in_eight_bits])
def test_every_bit_is_put_back(unet, keep):
    whole, before = run(unet), {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    size = sum(tensor.nbytes for tensor in before.values())
    keep(unet, "cpu")
    assert sum(tensor.nbytes for tensor in unet.state_dict().values()) + saved_bytes(unet) == size
    assert saved_bytes(unet) > size / 2
    keep(unet, "cpu")  # twice is the same as once
    put_back(unet)
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())
    assert not any(parameter.requires_grad for parameter in unet.parameters())
    assert torch.equal(run(unet), whole)
    assert saved_bytes(unet) == 0
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())


def test_a_block_that_fails_rests_again(unet):
    """Running out of memory in the middle of a block, for one."""
    keep_away(unet, "cpu")
    block = unet.down_blocks[0].resnets[0]
    with pytest.raises(RuntimeError):
        block(torch.zeros(1, 3, 8, 8), torch.zeros(1, 7))
    assert all(tensor.numel() == 0 for tensor in block.state_dict().values())


def test_only_matrices_and_kernels_are_kept_in_eight_bits(engine, unet, small):
    set_loras(engine._pipeline, engine.loras, engine._source)
    keep_in_eight_bits(unet, "cpu")
    small_ones = {name for name, tensor in unet.state_dict().items() if tensor.dtype == torch.float8_e4m3fn}
    assert small_ones
    assert all(name.endswith(".weight") and "norm" not in name for name in small_ones)
    rest = {name: tensor for name, tensor in in_blocks(unet).items() if name not in small_ones}
    assert all(tensor.dim() < 2 or "pos_embed" in name for name, tensor in rest.items())
    assert unet.dtype == torch.float32, "in which the network computes"


def test_loras_keep_their_precision(new_engine, small):
    from workers.engines.base import as_loras

    engine = new_engine()
    engine.load()
    unet = engine._pipeline.unet
    set_loras(engine._pipeline, as_loras([(small.motion_lora, 0.7), (small.spatial_lora, 0.5)]), engine._source)
    keep_in_eight_bits(unet, "cpu")
    kinds = {name: tensor.dtype for name, tensor in unet.state_dict().items()}
    assert {kind for name, kind in kinds.items() if ".lora_" in name} == {torch.float32}
    layers = [name for name in kinds if name.endswith(".base_layer.weight")]
    assert layers
    assert {kinds[name] for name in layers} == {torch.float8_e4m3fn}
    assert torch.isfinite(run(unet)).all()


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(40, 30), (20, 10, 3, 3)])
def test_eight_bits_keep_every_number_to_a_sixteenth(kind, shape):
    """Casting alone loses more of numbers below 2**-6, as the weights of wide layers are."""
    weight = (torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 0.005).to(kind)
    weight[3] = 0
    weight[4] *= 100
    small, scale = to_eight_bits(weight)
    kept = small.to(kind) * scale
    usual = weight.float().flatten(1).std(dim=1).reshape(-1, *[1] * (weight.dim() - 1))
    wrong = (kept.float() - weight.float()).abs()
    assert (wrong <= weight.float().abs() / 16 + usual / 1000).all()
    assert (kept[3] == 0).all()
    plain = (weight.to(torch.float8_e4m3fn).float() - weight.float()).abs()
    assert plain[:3].mean() > 1.5 * wrong[:3].mean()


def test_guidance_in_two_passes_gives_the_same_numbers_from_one_clip_at_a_time(unet):
    whole, seen = run(unet), []
    guide_in_two_passes(unet)
    unet.conv_in.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    assert torch.allclose(run(unet), whole, atol=1e-5)
    assert seen == [3, 3], "three frames at a time"
    guide_at_once(unet)
    assert torch.equal(run(unet), whole)


def test_everything_together_can_be_undone(unet):
    before = [name for name, _ in unet.named_modules()]
    whole = run(unet)
    split_inference(unet, spatial=5, temporal=2)
    guide_in_two_passes(unet)
    keep_away(unet, "cpu")
    assert torch.allclose(run(unet), whole, atol=1e-4)
    put_back(unet)
    guide_at_once(unet)
    join_inference(unet)
    assert [name for name, _ in unet.named_modules()] == before
    assert torch.equal(run(unet), whole)
