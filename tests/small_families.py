"""Pipelines of the other model families with random weights of tiny widths, in the layout of the published ones.

Real classes and configurations, as `fetch_models` would leave them: only the widths differ. The text encoders read a
small vocabulary, by a tokenizer of the same kind as the published model's.
"""

import json
from pathlib import Path
from typing import Any

WORDS = (
    *("a", "the", "red", "blue", "green", "circle", "square", "star", "moving", "left", "right", "over", "on", "in"),
    *("night", "sky", "sea", "video", "blurry"),
)
TEXT_WIDTH = 32


def write_wan(folder: Path, *, expand_timesteps: bool = False, head_width: int = 12, width: int = 32) -> Path:
    """Write a Wan model: frames 4k + 1, sides multiples of 16. Return its folder.

    Args:
        head_width: of its two attention heads.
        width: of the layer between two others.
    """
    import torch
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    tokenizer = t5_tokenizer(folder / "words")
    config = UMT5Config(
        vocab_size=len(tokenizer),
        d_model=TEXT_WIDTH,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        is_encoder_decoder=False,
    )
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=head_width,
        in_channels=16,
        out_channels=16,
        text_dim=TEXT_WIDTH,
        freq_dim=64,
        ffn_dim=width,
        num_layers=2,
        rope_max_seq_len=32,
    )
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )
    return _save(
        WanPipeline,
        folder,
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(config),
        vae=vae,
        scheduler=scheduler,
        transformer=transformer,
        expand_timesteps=expand_timesteps,
    )


def write_ltx(folder: Path, *, is_timestep_conditioned: bool = False, pipeline: str = "LTXPipeline") -> Path:
    """Write an LTX-Video model: frames 8k + 1, sides multiples of 32. Return its folder."""
    import diffusers
    import torch
    from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXVideoTransformer3DModel

    torch.manual_seed(0)
    blocks, layers = (8, 8, 8, 8), (1, 1, 1, 1, 1)
    scaling = (True, True, True, False)
    vae = AutoencoderKLLTXVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=blocks,
        decoder_block_out_channels=blocks,
        layers_per_block=layers,
        decoder_layers_per_block=layers,
        spatio_temporal_scaling=scaling,
        decoder_spatio_temporal_scaling=scaling,
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=is_timestep_conditioned,
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=TEXT_WIDTH,
    )
    tokenizer = t5_tokenizer(folder / "words")
    return _save(
        getattr(diffusers, pipeline),
        folder,
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=pipeline == "LTXPipeline"),
        vae=vae,
        text_encoder=_t5_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        transformer=transformer,
    )


def write_ltx_file(path: Path, folder: Path) -> Path:
    """Write transformer and VAE of the LTX-Video model in `folder` as one file, under the names of its own code."""
    import re

    from safetensors.torch import load_file, save_file

    def numbered(match: re.Match[str]) -> str:
        """Blocks and samplers are counted in one row there."""
        kind, index, sampler = match[1], int(match[2]), match[3]
        if kind == "up":
            return f"up_blocks.{2 * index + (1 if sampler else 2)}"
        return f"down_blocks.{(1, 4, 7)[index] if sampler else (0, 3, 6, 8)[index]}"

    weights = {}
    for name, tensor in load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors").items():
        for ours, theirs in (("proj_in", "patchify_proj"), ("time_embed", "adaln_single")):
            name = re.sub(rf"^{ours}\.", f"{theirs}.", name)
        name = name.replace("norm_q", "q_norm").replace("norm_k", "k_norm")
        weights[f"model.diffusion_model.{name}"] = tensor
    for name, tensor in load_file(folder / "vae" / "diffusion_pytorch_model.safetensors").items():
        name = re.sub(r"\b(up|down)_blocks\.(\d+)(\.(?:up|down)samplers\.0)?", numbered, name)
        name = name.replace("decoder.mid_block", "decoder.up_blocks.0").replace(
            "encoder.mid_block", "encoder.down_blocks.9"
        )
        name = re.sub(r"^decoder\.(time_embedder|scale_shift_table)", r"decoder.last_\1", name)
        statistics = {"latents_mean": "mean-of-means", "latents_std": "std-of-means"}
        name = f"per_channel_statistics.{statistics[name]}" if name in statistics else name
        weights[f"vae.{name.replace('resnets', 'res_blocks')}"] = tensor
    save_file(weights, path)
    return path


def write_cogvideox(folder: Path, solver: str = "CogVideoXDDIMScheduler") -> Path:
    """Write a CogVideoX model: frames 4k + 1, sides multiples of 16. Return its folder."""
    import diffusers
    import torch
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    torch.manual_seed(0)
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=TEXT_WIDTH,
        num_layers=2,
        sample_width=8,
        sample_height=8,
        sample_frames=9,
        max_text_seq_length=16,
        use_rotary_positional_embeddings=True,
    )
    tokenizer = t5_tokenizer(folder / "words")
    return _save(
        CogVideoXPipeline,
        folder,
        tokenizer=tokenizer,
        text_encoder=_t5_encoder(len(tokenizer)),
        vae=vae,
        transformer=transformer,
        scheduler=getattr(diffusers, solver)(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            snr_shift_scale=3.0,
            clip_sample=False,
        ),
    )


def write_hunyuan(folder: Path) -> Path:
    """Write a HunyuanVideo-1.5 model: frames 4k + 1, sides multiples of 16. Return its folder."""
    import torch
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15Pipeline,
        HunyuanVideo15Transformer3DModel,
    )
    from transformers import ByT5Tokenizer, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel, T5Config, T5EncoderModel

    torch.manual_seed(0)
    vae = AutoencoderKLHunyuanVideo15(
        latent_channels=4,
        block_out_channels=(16, 16, 16, 16, 16),
        layers_per_block=1,
        spatial_compression_ratio=16,
        temporal_compression_ratio=4,
    )
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        text_embed_dim=TEXT_WIDTH,
        text_embed_2_dim=TEXT_WIDTH,
        image_embed_dim=12,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
        task_type="t2v",
    )
    tokenizer = qwen_tokenizer()
    qwen = Qwen2_5_VLTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
    )
    glyphs = ByT5Tokenizer()
    t5 = T5Config(vocab_size=len(glyphs), d_model=TEXT_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return _save(
        HunyuanVideo15Pipeline,
        folder,
        text_encoder=Qwen2_5_VLTextModel(qwen),
        tokenizer=tokenizer,
        transformer=transformer,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer_2=glyphs,
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )


def t5_tokenizer(folder: Path) -> Any:
    """Return a tokenizer of T5's kind, of `WORDS`, from a spiece.model that is written to `folder`."""
    from sentencepiece import SentencePieceTrainer
    from transformers import T5Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    sentences = [" ".join(WORDS[start : start + 5]) for start in range(len(WORDS))] * 20
    SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(folder / "spiece"),
        vocab_size=60,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        pad_piece="<pad>",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return T5Tokenizer.from_pretrained(str(folder), extra_ids=0, model_max_length=512)


def _t5_encoder(vocabulary: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=vocabulary, d_model=TEXT_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    )


def qwen_tokenizer() -> Any:
    """Return a tokenizer of Qwen's kind: bytes, without merges, and a chat template."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    vocabulary = {symbol: index for index, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[])
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    )
    return tokenizer


def _save(cls: Any, folder: Path, **parts: Any) -> Path:
    """Write a pipeline. A T5 tokenizer becomes the file that it was made of, as in most published models."""
    import shutil

    for part in parts.values():
        if hasattr(part, "eval"):
            part.eval()
    cls(**parts).save_pretrained(str(folder))
    if (folder / "words").is_dir():
        (folder / "tokenizer" / "tokenizer.json").unlink()
        (folder / "words" / "spiece.model").rename(folder / "tokenizer" / "spiece.model")
        shutil.rmtree(folder / "words")
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == cls.__name__
    return folder
