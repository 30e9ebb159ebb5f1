"""What a file is, by the names and shapes of its weights."""

import pytest

from generation.inbox import folder
from tests import model_files as files


def dropped(tmp_path, shapes, name="file.safetensors", **options):
    files.write(folder.inbox(tmp_path) / name, shapes, **options)
    return folder.look(tmp_path, name)


MOTION_LORA = {
    "unet.down_blocks.0.motion_modules.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight": (4, 320),
    "unet.mid_block.motion_modules.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight": (1280, 4),
}
USED = {
    "checkpoint": (files.checkpoint(), "models", "sd15"),
    "checkpoint without VAE": (files.checkpoint(vae=False), "models", "sd15"),
    "checkpoint of the tiny world": (files.checkpoint(128, 18), "models", "tiny"),
    "motion modules": (files.motion(), "adapters", "sd15"),
    "motion modules, original": (files.motion(original=True), "adapters", "sd15"),
    "motion LoRA": (MOTION_LORA, "loras", "sd15"),
    "kohya LoRA": (files.kohya(), "styles", "sd15"),
    "kohya LoRA with text encoder": (files.kohya(with_text=True), "styles", "sd15"),
    "LoRA of the text encoder alone": (
        {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 768)},
        "styles",
        "sd15",
    ),
    "diffusers LoRA": (
        {"unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 768)},
        "styles",
        "sd15",
    ),
    "LoRA for Wan 1.3B": (
        {"lora_unet_blocks_0_self_attn_q.lora_down.weight": (4, 1536), "lora_unet_blocks_0_self_attn_q.alpha": ()},
        "styles",
        "wan2.1-1.3b",
    ),
    "diffusers LoRA for Wan 5B": ({"transformer.blocks.0.attn1.to_q.lora_A.weight": (4, 3072)}, "styles", "wan2.2-5b"),
    "textual inversion": ({"emb_params": (4, 768)}, "embeddings", "sd15"),
    "textual inversion, diffusers": ({"<cat-toy>": (1, 768)}, "embeddings", "sd15"),
    "textual inversion of one vector": ({"<cat-toy>": (768,)}, "embeddings", "sd15"),
    "VAE": (files.vae(), "vaes", "sd15"),
    "VAE with prefix": (files.vae(prefix="first_stage_model."), "vaes", "sd15"),
}


@pytest.mark.parametrize("what", USED)
@pytest.mark.parametrize("size", [2, 4], ids=["fp16", "fp32"])
def test_a_file_that_can_be_used_is_recognised(tmp_path, what, size):
    shapes, kind, family = USED[what]
    found = dropped(tmp_path, shapes, size=size)
    assert found.refused is None, found.refused.text
    assert (found.found.kind, found.found.family.id) == (kind, family)


def test_more_is_seen_of_some(tmp_path):
    assert dropped(tmp_path, files.checkpoint(vae=False), "a.safetensors").found.needs_vae
    assert not dropped(tmp_path, files.checkpoint(), "b.safetensors").found.needs_vae
    assert dropped(tmp_path, files.motion(frames=24), "c.safetensors").found.frames == 24
    assert dropped(tmp_path, files.kohya(with_text=True), "d.safetensors").found.has_text_encoder
    assert not dropped(tmp_path, files.kohya(), "e.safetensors").found.has_text_encoder


def a_lora(stem):
    return {f"{stem}.lora_down.weight": (4, 8), f"{stem}.lora_up.weight": (8, 4)}


REFUSED = {
    "SDXL": (files.checkpoint(2048) | {"conditioner.embedders.1.model.ln_final.weight": (8,)}, "another model (SDXL)"),
    "SD 2": (
        files.checkpoint(1024, text=False) | {"cond_stage_model.model.ln_final.weight": (8,)},
        "another model (Stable Diffusion 2)",
    ),
    "other widths": (files.checkpoint(640), "another model (model.diffusion_model.* [640])"),
    "Flux": ({"model.diffusion_model.double_blocks.0.img_mod.lin.weight": (8, 8)}, "another model (Flux)"),
    "Wan": ({"blocks.0.self_attn.q.weight": (8, 8)}, "another model (Wan)"),
    "LTX": ({"model.diffusion_model.patchify_proj.weight": (8, 8)}, "another model (LTX-Video)"),
    "inpainting": (files.checkpoint(channels=9), "its network reads 9 channels, not 4"),
    "no text encoder": (files.checkpoint(text=False), "no text encoder"),
    "motion modules for SDXL": (files.motion((320, 640, 1280)), "for another model (SDXL)"),
    "LoRA for SDXL": (files.kohya(2048), "for another model (SDXL)"),
    "LoRA for SD 2": (files.kohya(1024), "for another model (Stable Diffusion 2)"),
    "LoRA for Flux": (a_lora("lora_unet_double_blocks_0_img_attn_proj"), "for another model (Flux)"),
    "LoRA for Wan": (a_lora("lora_unet_blocks_0_cross_attn_k"), "for another model (Wan)"),
    "LoRA for Wan 14B": (
        {"diffusion_model.blocks.0.self_attn.q.lora_down.weight": (4, 5120)},
        "for another model (Wan)",
    ),
    "LoRA for CogVideoX": (a_lora("transformer.transformer_blocks.0.attn1.to_q"), "for another model (transformer."),
    "LoHa": ({"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": (8, 4)}, "(LoHa)"),
    "textual inversion for SDXL": ({"clip_l": (4, 768), "clip_g": (4, 1280)}, "another model (SDXL)"),
    "textual inversion for SD 2": ({"emb_params": (4, 1024)}, "another model (4 x 1024)"),
    "ControlNet": ({"control_model.input_blocks.0.0.weight": (8, 4, 3, 3)}, "ControlNet"),
    "VAE for SDXL's successors": (files.vae(16), "its latents have 16 channels, not 4"),
    "nothing known": ({"encoder.layer.0.weight": (8, 8)}, "such as encoder.layer.0.weight"),
    "nothing at all": ({}, "weights of these names"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_used_is_refused_by_what_it_is(tmp_path, what):
    shapes, reason = REFUSED[what]
    found = dropped(tmp_path, shapes)
    assert found.found is None
    assert reason in found.refused.text


@pytest.mark.parametrize(
    ("name", "metadata", "label"),
    [
        ("ink_wash_v2.safetensors", None, "ink wash v2"),
        ("x.safetensors", {"ss_output_name": "ink_wash"}, "ink wash"),
        ("x.safetensors", {"modelspec.title": "Ink: a_b", "ss_output_name": "ink"}, "Ink: a_b"),
        ("x.safetensors", {"modelspec.title": " \u202e\x1b\n "}, "x"),
        ("x.safetensors", {"modelspec.title": "<b>a</b>\r\nb" + "c" * 90}, "<b>a</b> b" + "c" * 49 + "…"),
    ],
)
def test_it_is_named_by_its_title_or_its_file(tmp_path, name, metadata, label):
    assert dropped(tmp_path, files.kohya(), name, metadata=metadata).label == label
