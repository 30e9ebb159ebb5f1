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

    def shortened(self, part: str, **changes: Any) -> "FullSize":
        """Return the family with another configuration of a part, such as fewer layers."""
        other = replace(self.parts[part], config={**self.parts[part].config, **changes}, parameters=0)
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

ALL = (WAN_1_3B,)
