"""The tiny text-to-video network and its noise schedule, shared by training and export."""

import torch
from diffusers import DDIMScheduler, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.embeddings import SinusoidalPositionalEmbedding

from workers.tiny.networks.latents import CHANNELS as LATENT_CHANNELS

CHANNELS = (64, 128)
HEADS = 4
TEXT_WIDTH = 128
LONGEST = 32


def build_networks() -> tuple[UNet2DConditionModel, MotionAdapter]:
    """Return the untrained image network and motion adapter, in the shapes that AnimateDiffPipeline loads.

    Text enters at 4x4, where the network is widest and every position attends to every other; the 8x8 layers draw.
    """
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=HEADS,
    )
    adapter = MotionAdapter(
        block_out_channels=CHANNELS,
        motion_layers_per_block=1,
        motion_mid_block_layers_per_block=1,
        motion_num_attention_heads=HEADS,
        motion_norm_num_groups=8,
        motion_max_seq_length=LONGEST,
    )
    _start_near_identity(adapter)
    return unet, adapter


def join_networks(unet: UNet2DConditionModel, adapter: MotionAdapter) -> UNetMotionModel:
    """Return the network to train: image layers and motion modules joined, with plain attention."""
    motion = UNetMotionModel.from_unet2d(unet, adapter)
    motion.set_attn_processor(AttnProcessor())
    for module in motion.modules():
        if isinstance(module, SinusoidalPositionalEmbedding):
            module.__class__ = FrameNumbers
    return motion


class FrameNumbers(SinusoidalPositionalEmbedding):
    """Positional encodings of a clip's frames; training may pick any subset of frames (see `network_sees`)."""

    picked: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if self.picked is None else x + self.pe[:, self.picked]


def network_sees(network: UNetMotionModel, frames: torch.Tensor | None) -> None:
    """Set which frames of each clip the network is given (int64 [F], ascending); None for the first ones."""
    for module in network.modules():
        if isinstance(module, FrameNumbers):
            module.picked = frames


@torch.no_grad()
def _start_near_identity(adapter: MotionAdapter) -> None:
    """Initialize temporal attention as "look at your own frame", so that frame numbers reach the features."""
    for name, weight in adapter.named_parameters():
        if ".attn" not in name or weight.dim() != 2:
            continue
        gain = 1.5 if name.endswith(("to_q.weight", "to_k.weight")) else 1.0
        weight.copy_(gain * torch.eye(*weight.shape) + 0.02 * torch.randn_like(weight))


def build_scheduler() -> DDIMScheduler:
    """Return a zero-terminal-SNR, v-prediction scheduler with trailing steps: sampling starts from pure noise."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )
