"""Exports the trained networks to the bundled folders, in half precision.

    python -m workers.tiny.training.export

models/text-to-video is a Stable Diffusion folder, models/motion-adapter a MotionAdapter; together they load with
`AnimateDiffPipeline.from_pretrained(base, motion_adapter=...)`.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from generation.catalogue.entries import BUILTIN_MODELS
from workers.tiny.networks.diffusion import build_networks, build_scheduler, join_networks
from workers.tiny.training import checkpoints, text, train_diffusion, train_vae
from workers.tiny.world import prompts

MODELS = BUILTIN_MODELS
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def split_networks(weights: dict[str, torch.Tensor]) -> tuple[UNet2DConditionModel, MotionAdapter]:
    """Split the joined network's weights into the image network and the motion adapter."""
    unet, adapter = build_networks()
    names = unet.state_dict().keys()
    unet.load_state_dict({name: weights[name] for name in names})
    adapter.load_state_dict({name: weight for name, weight in weights.items() if name not in names}, strict=True)
    return unet, adapter


def load_vae() -> AutoencoderKL:
    """Return the trained autoencoder; its latents already have unit deviation, so the scaling factor is 1."""
    vae = train_vae.load_vae()
    vae.register_to_config(scaling_factor=1.0)
    return vae


def load_networks() -> tuple[UNet2DConditionModel, MotionAdapter]:
    """Return the averaged weights of the diffusion checkpoint, or untrained ones if there is none."""
    state = checkpoints.load_checkpoint(train_diffusion.CHECKPOINT)
    return split_networks(state["average"] if state else join_networks(*build_networks()).state_dict())


def export(folder: Path) -> None:
    """Write both folders; `unet` and `adapter` must come from the same checkpoint."""
    base = folder / "text-to-video"
    unet, adapter = load_networks()
    unet.half().save_pretrained(base / "unet")
    adapter.half().save_pretrained(folder / "motion-adapter")
    load_vae().to(memory_format=torch.contiguous_format).half().save_pretrained(base / "vae")
    CLIPTextModel.from_pretrained(text.FOLDER / "text_encoder").half().save_pretrained(base / "text_encoder")
    CLIPTokenizer.from_pretrained(text.FOLDER / "tokenizer").save_pretrained(base / "tokenizer")
    build_scheduler().save_pretrained(base / "scheduler")
    (base / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    (base / "vocabulary.json").write_text(json.dumps(prompts.vocabulary(), indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=MODELS)
    export(parser.parse_args().folder)
