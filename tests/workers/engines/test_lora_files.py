"""LoRA files as people find them: each is applied as a whole, or refused with a true sentence."""

import io
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from generation.domain.errors import RenderError
from workers.engines import lora_files
from workers.engines.animatediff.loras import set_loras
from workers.engines.animatediff.opening import load_pipeline
from workers.engines.base import Lora
from workers.engines.files.source import Source

RANK, ALPHA = 2, 6.0
# Modules of Stable Diffusion 1.5 that LoRAs are trained on, by what is peculiar to each.
SPATIAL = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",  # reads the text
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",  # its name ends in a number
    "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.1.attentions.0.proj_in",  # a convolution of 1x1
)
CONVOLUTIONS = ("down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv")
TEXT = (
    "encoder.layers.0.self_attn.q_proj",
    "encoder.layers.0.self_attn.out_proj",
    "encoder.layers.1.mlp.fc1",
)


@pytest.fixture(scope="module")
def pipeline(small):
    source = Source("Small model")
    return load_pipeline(small.base, small.adapter, None, torch.float32, source, source)


def halves(network, name, seed):
    """Return random down and up weights of a LoRA on the module `name`."""
    shape = network.get_submodule(name).weight.shape
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(RANK, shape[1], *shape[2:], generator=generator)
    up = torch.randn(shape[0], RANK, *(1 for _ in shape[2:]), generator=generator)
    return down, up


def kohya(network, names, prefix):
    """Return weights as kohya's scripts write them, most of LoRAs' files."""
    weights = {}
    for index, name in enumerate(names):
        stem = prefix + name.replace(".", "_")
        weights[f"{stem}.lora_down.weight"], weights[f"{stem}.lora_up.weight"] = halves(network, name, index)
        weights[f"{stem}.alpha"] = torch.tensor(ALPHA)
    return weights


def diffusers(network, names, prefix, down="lora_A", up="lora_B"):
    """Return weights as diffusers' training scripts write them, today (lora_A) or before (lora.down)."""
    weights = {}
    for index, name in enumerate(names):
        weights[f"{prefix}{name}.{down}.weight"], weights[f"{prefix}{name}.{up}.weight"] = halves(network, name, index)
    return weights


def deltas(networks, alpha):
    """Return what the LoRA of these (network, names) adds to the weight of each module."""
    found = {}
    for network, names in networks:
        for index, name in enumerate(names):
            down, up = halves(network, name, index)
            found[network, name] = (alpha / RANK) * (up.flatten(1) @ down.flatten(1)).reshape(
                up.shape[0], *down.shape[1:]
            )
    return found


def applied(pipeline, path, weight=1.0):
    set_loras(pipeline, [Lora(path, weight, "Ink")], Source("Small model"))


def refusal(pipeline, path):
    with pytest.raises(RenderError) as caught:
        applied(pipeline, path)
    assert lora_files.count_applied("lora0", pipeline.unet, pipeline.text_encoder) == 0
    return caught.value


def usual_layouts(unet, text):
    """Yield (name, weights, modules of the UNet, modules of the text encoder, alpha)."""
    yield "kohya", kohya(unet, SPATIAL, "lora_unet_"), SPATIAL, (), ALPHA
    both = kohya(unet, SPATIAL, "lora_unet_") | kohya(text, TEXT, "lora_te_text_model_")
    yield "kohya with text encoder", both, SPATIAL, TEXT, ALPHA
    yield "kohya with convolutions", kohya(unet, CONVOLUTIONS, "lora_unet_"), CONVOLUTIONS, (), ALPHA
    yield "diffusers", diffusers(unet, SPATIAL, "unet."), SPATIAL, (), RANK
    old = diffusers(unet, SPATIAL, "unet.", "lora.down", "lora.up")
    yield "older diffusers", old, SPATIAL, (), RANK
    both = diffusers(unet, SPATIAL, "unet.") | diffusers(text, TEXT, "text_encoder.text_model.")
    yield "diffusers with text encoder", both, SPATIAL, TEXT, RANK


LAYOUTS = (
    "kohya",
    "kohya with text encoder",
    "kohya with convolutions",
    "diffusers",
    "older diffusers",
    "diffusers with text encoder",
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_usual_layout_adds_exactly_its_weights_to_the_networks(pipeline, tmp_path, layout):
    unet, text = pipeline.unet, pipeline.text_encoder
    _, weights, spatial, of_text, alpha = next(found for found in usual_layouts(unet, text) if found[0] == layout)
    expected = deltas([(unet, spatial), (text, of_text)], alpha)
    plain = {key: key[0].get_submodule(key[1]).weight.clone() for key in expected}
    save_file(weights, tmp_path / "ink.safetensors")
    applied(pipeline, tmp_path / "ink.safetensors", weight=-1.5)
    assert lora_files.count_applied("lora0", unet, text) == len(expected)
    for (network, name), delta in expected.items():
        layer = network.get_submodule(name)
        torch.testing.assert_close(layer.get_delta_weight("lora0"), -1.5 * delta, rtol=1e-4, atol=1e-4)
    pipeline.unload_lora_weights()
    assert all(torch.equal(network.get_submodule(name).weight, plain[network, name]) for network, name in plain)


def a_pair(stem, width=8, down="lora_down", up="lora_up"):
    return {f"{stem}.{down}.weight": torch.zeros(RANK, width), f"{stem}.{up}.weight": torch.zeros(width, RANK)}


CROSS = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
FOREIGN = {
    "Flux, kohya": (a_pair("lora_unet_double_blocks_0_img_attn_proj"), "Flux"),
    "Flux, diffusers": (a_pair("transformer.single_transformer_blocks.3.attn.to_q", 8, "lora_A", "lora_B"), "Flux"),
    "SDXL, kohya": (a_pair("lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q"), "SDXL"),
    "SDXL, second text encoder": (a_pair("lora_te2_text_model_encoder_layers_0_mlp_fc1"), "SDXL"),
    "SDXL, diffusers": (
        a_pair("unet.down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q", 8, "lora_A", "lora_B"),
        "SDXL",
    ),
    "SDXL, by its width": (a_pair(CROSS, 2048), "SDXL"),
    "SD 2": (a_pair(CROSS, 1024), "Stable Diffusion 2"),
    "SD 3": (a_pair("lora_unet_joint_blocks_0_x_block_attn_qkv"), "Stable Diffusion 3"),
    "SD 3, diffusers": (
        a_pair("transformer.transformer_blocks.0.attn.add_k_proj", 8, "lora_A", "lora_B"),
        "Stable Diffusion 3",
    ),
    "HunyuanVideo": (a_pair("lora_unet_single_blocks_0_modulation_linear"), "HunyuanVideo"),
    "Wan": (a_pair("diffusion_model.blocks.0.self_attn.q", 8, "lora_A", "lora_B"), "Wan"),
    "Wan, kohya": (a_pair("lora_unet_blocks_0_cross_attn_k"), "Wan"),
    "Qwen-Image": (a_pair("transformer_blocks.0.img_mlp.net.2", 8, "lora_A", "lora_B"), "Qwen-Image"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_lora_for_another_network_is_refused_by_that_networks_name(pipeline, tmp_path, kind):
    weights, made_for = FOREIGN[kind]
    save_file(weights, tmp_path / "ink.safetensors")
    error = refusal(pipeline, tmp_path / "ink.safetensors")
    assert (error.id, error.context["made_for"]) == ("lora-for-another-model", made_for)
    assert error.text == (
        f"The LoRA Ink was made for another model ({made_for}) and does not work with Small model. "
        "Choose another LoRA, or leave it out."
    )


def test_the_published_kinds_for_our_networks_are_not_taken_for_another(small):
    for path in (small.motion_lora, small.spatial_lora):
        shapes = lora_files.read_shapes(path)
        assert lora_files.made_for(shapes, text_width=32) is None
        assert lora_files.made_for(shapes, text_width=768) is None


def test_a_lora_that_fits_in_part_is_not_applied_at_all(pipeline, tmp_path):
    weights = kohya(pipeline.unet, SPATIAL[:2], "lora_unet_")
    for index in range(6):
        weights |= a_pair(f"lora_unet_down_blocks_9_attentions_{index}_transformer_blocks_0_attn1_to_q")
    save_file(weights, tmp_path / "ink.safetensors")
    error = refusal(pipeline, tmp_path / "ink.safetensors")
    assert error.text.startswith("The LoRA Ink was not applied: 2 of its 8 modules match Small model.")


def test_a_lora_of_other_widths_is_not_applied(pipeline, tmp_path):
    weights = {
        name: torch.cat([tensor] * 2, dim=-1) if tensor.ndim > 1 else tensor
        for name, tensor in kohya(pipeline.unet, SPATIAL[:1], "lora_unet_").items()
    }
    save_file(weights, tmp_path / "ink.safetensors")
    assert "0 of its 1 modules match" in refusal(pipeline, tmp_path / "ink.safetensors").text


UNREADABLE = {
    "LoHa": {"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": torch.zeros(8, 2)},
    "LoKr": {"lora_unet_mid_block_attentions_0_proj_in.lokr_w1": torch.zeros(8, 2)},
    "DoRA": a_pair(CROSS, 32) | {f"{CROSS}.dora_scale": torch.zeros(32, 1)},
    "diff_b": a_pair(CROSS, 32) | {"lora_unet_conv_in.diff_b": torch.zeros(32)},
}


@pytest.mark.parametrize("layout", UNREADABLE)
def test_what_cannot_be_read_whole_is_refused_by_its_layout(pipeline, tmp_path, layout):
    save_file(UNREADABLE[layout], tmp_path / "ink.safetensors")
    error = refusal(pipeline, tmp_path / "ink.safetensors")
    assert (error.id, error.context["layout"]) == ("lora-layout", layout)


@pytest.mark.parametrize("name", ["model.diffusion_model.out.2.weight", "emb_params"])
def test_a_file_of_something_else_is_said_to_hold_no_lora(pipeline, tmp_path, name):
    save_file({name: torch.zeros(4, 4)}, tmp_path / "ink.safetensors")
    assert refusal(pipeline, tmp_path / "ink.safetensors").id == "lora-empty"


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ink/ink.safetensors", b"weights")
    return stream.getvalue()


TO_Q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
DAMAGED = {
    "no other half": {f"{TO_Q}.lora_down.weight": torch.zeros(RANK, 32)},
    "two alphas": a_pair(TO_Q, 32) | {f"{TO_Q}.alpha": torch.ones(2)},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_lora_that_diffusers_cannot_read_is_called_damaged(pipeline, tmp_path, damage):
    save_file(DAMAGED[damage], tmp_path / "ink.safetensors")
    error = refusal(pipeline, tmp_path / "ink.safetensors")
    assert (error.id, error.context["model"], error.context["file"]) == ("model-corrupt", "Ink", "ink.safetensors")


DISGUISED = {
    "model-is-page": b"\n<!DOCTYPE html><html><title>403 Forbidden</title></html>",
    "model-is-archive": zipped(),
    "model-is-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "model-corrupt": b"\x10\x00\x00\x00\x00\x00\x00\x00{nothing of the k",
}


@pytest.mark.parametrize("id", DISGUISED)
def test_a_file_that_only_claims_to_be_safetensors_is_called_what_it_is(pipeline, tmp_path, id):
    (tmp_path / "ink.safetensors").write_bytes(DISGUISED[id])
    error = refusal(pipeline, tmp_path / "ink.safetensors")
    assert (error.id, error.context["model"], error.context["file"]) == (id, "Ink", "ink.safetensors")


def test_one_lora_that_does_not_fit_leaves_none_behind(pipeline, small, tmp_path):
    save_file(FOREIGN["Flux, kohya"][0], tmp_path / "flux.safetensors")
    with pytest.raises(RenderError):
        set_loras(pipeline, [Lora(small.spatial_lora, 1.0), Lora(tmp_path / "flux.safetensors", 1.0)], Source("Small"))
    assert lora_files.count_applied("lora0", pipeline.unet, pipeline.text_encoder) == 0
