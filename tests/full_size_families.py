"""The published architectures of the other model families: configurations alone, since their weights take gigabytes.

Each is that of the published files, as far as its parameter count shows (`parameters`, in the order of `parts`). Only
the vocabularies are those of the small tokenizers of tests/small_families.py where weights are written to a disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from generation.domain.plan import FrameRule

FLOW = {"num_train_timesteps": 1000}


@dataclass(frozen=True)
class Part:
    """A network: its class in diffusers or transformers, its configuration, and the precision it computes in."""

    library: str
    cls: str
    config: Mapping[str, Any]
    precision: str
    parameters: int


@dataclass(frozen=True)
class FullSize:
    """A family at full size: the pipeline's class, its networks by name, and what its entry says of clips.

    `scheduler` is a class of diffusers with its configuration, `guidance` the usual scale, and `settings` what else the
    pipeline is made with. `tokenizer` names the kind: "t5", or "qwen", which needs a second one for letters.
    """

    name: str
    pipeline: str
    parts: Mapping[str, Part]
    scheduler: tuple[str, Mapping[str, Any]]
    rule: FrameRule
    fps: int
    steps: int
    guidance: float = 5.0
    tokenizer: str = "t5"
    call: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def shortened(self, part: str, precision: str = "", **changes: Any) -> "FullSize":
        """Return the family with another configuration of a part, such as fewer layers, or another precision."""
        before = self.parts[part]
        other = Part(before.library, before.cls, {**before.config, **changes}, precision or before.precision, 0)
        return replace(self, parts={**self.parts, part: other})


UMT5_XXL = Part(
    "transformers",
    "UMT5EncoderModel",
    {
        "vocab_size": 256384,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": False,
    },
    "bfloat16",
    5_680_910_336,
)

UNIPC = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, **FLOW}

WAN_1_3B = FullSize(
    name="wan2.1-1.3b",
    pipeline="WanPipeline",
    parts={
        "text_encoder": UMT5_XXL,
        "transformer": Part(
            "diffusers",
            "WanTransformer3DModel",
            {
                "patch_size": (1, 2, 2),
                "num_attention_heads": 12,
                "attention_head_dim": 128,
                "in_channels": 16,
                "out_channels": 16,
                "text_dim": 4096,
                "freq_dim": 256,
                "ffn_dim": 8960,
                "num_layers": 30,
                "cross_attn_norm": True,
                "qk_norm": "rms_norm_across_heads",
                "rope_max_seq_len": 1024,
            },
            "bfloat16",
            1_418_996_800,
        ),
        "vae": Part("diffusers", "AutoencoderKLWan", {}, "float32", 126_892_531),
    },
    scheduler=("UniPCMultistepScheduler", {**UNIPC, "flow_shift": 3.0}),
    rule=FrameRule(multiple=4, offset=1, most=81, side_multiple=16),
    fps=16,
    steps=50,
)

WAN_5B = FullSize(
    name="wan2.2-5b",
    pipeline="WanPipeline",
    parts={
        "text_encoder": UMT5_XXL,
        "transformer": Part(
            "diffusers",
            "WanTransformer3DModel",
            {
                **WAN_1_3B.parts["transformer"].config,
                "num_attention_heads": 24,
                "in_channels": 48,
                "out_channels": 48,
                "ffn_dim": 14336,
            },
            "bfloat16",
            4_999_787_712,
        ),
        "vae": Part(
            "diffusers",
            "AutoencoderKLWan",
            {
                "base_dim": 160,
                "decoder_base_dim": 256,
                "z_dim": 48,
                "dim_mult": [1, 2, 4, 4],
                "num_res_blocks": 2,
                "temperal_downsample": [False, True, True],
                "is_residual": True,
                "in_channels": 12,
                "out_channels": 12,
                "patch_size": 2,
                "scale_factor_spatial": 16,
                "scale_factor_temporal": 4,
                "latents_mean": [0.0] * 48,
                "latents_std": [1.0] * 48,
            },
            "float32",
            704_688_668,
        ),
    },
    scheduler=("UniPCMultistepScheduler", {**UNIPC, "flow_shift": 5.0}),
    rule=FrameRule(multiple=4, offset=1, most=121, side_multiple=32),
    fps=24,
    steps=50,
    settings={"expand_timesteps": True},
)

T5_XXL = Part(
    "transformers",
    "T5EncoderModel",
    {
        "vocab_size": 32128,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": False,
    },
    "bfloat16",
    4_762_310_656,
)

COGVIDEOX_DDIM = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
}
COGVIDEOX_VAE = {
    "block_out_channels": (128, 256, 256, 512),
    "layers_per_block": 3,
    "latent_channels": 16,
    "down_block_types": ("CogVideoXDownBlock3D",) * 4,
    "up_block_types": ("CogVideoXUpBlock3D",) * 4,
    "sample_height": 480,
    "sample_width": 720,
    "temporal_compression_ratio": 4,
}
COGVIDEOX_TRANSFORMER = {
    "attention_head_dim": 64,
    "in_channels": 16,
    "out_channels": 16,
    "time_embed_dim": 512,
    "text_embed_dim": 4096,
    "sample_width": 90,
    "sample_height": 60,
    "sample_frames": 49,
    "patch_size": 2,
    "temporal_compression_ratio": 4,
    "max_text_seq_length": 226,
    "spatial_interpolation_scale": 1.875,
    "temporal_interpolation_scale": 1.0,
}


def _cogvideox(name: str, precision: str, heads: int, layers: int, parameters: int, rotary: bool) -> FullSize:
    """Return one of the two sizes, which differ in width, depth, position encoding and precision."""
    transformer = {
        **COGVIDEOX_TRANSFORMER,
        "num_attention_heads": heads,
        "num_layers": layers,
        "use_rotary_positional_embeddings": rotary,
    }
    return FullSize(
        name=name,
        pipeline="CogVideoXPipeline",
        parts={
            "text_encoder": replace(T5_XXL, precision=precision),
            "transformer": Part("diffusers", "CogVideoXTransformer3DModel", transformer, precision, parameters),
            "vae": Part("diffusers", "AutoencoderKLCogVideoX", COGVIDEOX_VAE, precision, 215_583_907),
        },
        scheduler=("CogVideoXDDIMScheduler", {**COGVIDEOX_DDIM, "snr_shift_scale": 1.0 if rotary else 3.0}),
        rule=FrameRule(multiple=8, offset=1, most=49, side_multiple=16),
        fps=8,
        steps=50,
        guidance=6.0,
    )


COGVIDEOX_2B = _cogvideox("cogvideox-2b", "float16", heads=30, layers=30, parameters=1_693_783_872, rotary=False)
COGVIDEOX_5B = _cogvideox("cogvideox-5b", "bfloat16", heads=48, layers=42, parameters=5_570_283_072, rotary=True)

LTX_2B = FullSize(
    name="ltx-2b",
    pipeline="LTXConditionPipeline",
    parts={
        "text_encoder": T5_XXL,
        "transformer": Part(
            "diffusers",
            "LTXVideoTransformer3DModel",
            {
                "in_channels": 128,
                "out_channels": 128,
                "num_attention_heads": 32,
                "attention_head_dim": 64,
                "cross_attention_dim": 2048,
                "num_layers": 28,
                "caption_channels": 4096,
            },
            "bfloat16",
            1_923_385_472,
        ),
        "vae": Part(
            "diffusers",
            "AutoencoderKLLTXVideo",
            {
                "latent_channels": 128,
                "block_out_channels": (128, 256, 512, 1024, 2048),
                "decoder_block_out_channels": (256, 512, 1024),
                "layers_per_block": (4, 6, 6, 2, 2),
                "decoder_layers_per_block": (5, 5, 5, 5),
                "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
                "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
                "spatio_temporal_scaling": (True,) * 4,
                "decoder_spatio_temporal_scaling": (True,) * 3,
                "decoder_inject_noise": (False,) * 4,
                "upsample_residual": (True,) * 3,
                "upsample_factor": (2, 2, 2),
                "timestep_conditioning": True,
                "patch_size": 4,
                "patch_size_t": 1,
                "encoder_causal": True,
                "decoder_causal": False,
                "spatial_compression_ratio": 32,
                "temporal_compression_ratio": 8,
            },
            "bfloat16",
            1_246_913_522,
        ),
    },
    scheduler=("FlowMatchEulerDiscreteScheduler", {"shift": 1.0}),
    rule=FrameRule(multiple=8, offset=1, most=257, side_multiple=32),
    fps=24,
    steps=8,
    guidance=3.0,  # distilled models compute without: see `guided` in generation/catalogue/card_memory.py
    call={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
)

# After scripts/convert_hunyuan_video1_5_to_diffusers.py of diffusers, which wrote the published folder: what it says of
# 480p_t2v, a VAE with the defaults, the language model of Qwen2.5-VL-7B-Instruct, and ByT5-small with Glyph-SDXL-v2's
# tokens for colours and fonts.
HUNYUAN = FullSize(
    name="hunyuanvideo-1.5",
    pipeline="HunyuanVideo15Pipeline",
    parts={
        "text_encoder": Part(
            "transformers",
            "Qwen2_5_VLTextModel",
            {
                "vocab_size": 152064,
                "hidden_size": 3584,
                "intermediate_size": 18944,
                "num_hidden_layers": 28,
                "num_attention_heads": 28,
                "num_key_value_heads": 4,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            },
            "bfloat16",
            7_070_619_136,
        ),
        "text_encoder_2": Part(
            "transformers",
            "T5EncoderModel",
            {
                "vocab_size": 1510,
                "d_model": 1472,
                "d_kv": 64,
                "d_ff": 3584,
                "num_layers": 12,
                "num_heads": 6,
                "feed_forward_proj": "gated-gelu",
                "is_encoder_decoder": False,
            },
            "bfloat16",
            219_314_944,
        ),
        "transformer": Part(
            "diffusers",
            "HunyuanVideo15Transformer3DModel",
            {
                "in_channels": 65,
                "out_channels": 32,
                "num_attention_heads": 16,
                "attention_head_dim": 128,
                "num_layers": 54,
                "num_refiner_layers": 2,
                "mlp_ratio": 4.0,
                "patch_size": 1,
                "patch_size_t": 1,
                "text_embed_dim": 3584,
                "text_embed_2_dim": 1472,
                "image_embed_dim": 1152,
                "rope_theta": 256.0,
                "rope_axes_dim": (16, 56, 56),
                "target_size": 640,
                "task_type": "t2v",
            },
            "bfloat16",
            8_326_608_160,
        ),
        "vae": Part("diffusers", "AutoencoderKLHunyuanVideo15", {}, "float16", 1_260_634_115),
    },
    scheduler=("FlowMatchEulerDiscreteScheduler", {"shift": 5.0}),
    rule=FrameRule(multiple=4, offset=1, most=121, side_multiple=16),
    fps=24,
    steps=50,
    guidance=6.0,
    tokenizer="qwen",
)

ALL = (WAN_1_3B, WAN_5B, COGVIDEOX_2B, COGVIDEOX_5B, LTX_2B, HUNYUAN)
