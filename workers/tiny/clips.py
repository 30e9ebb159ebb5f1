"""Clips as latents on disk, so that training diffusion never draws a frame and never runs the autoencoder.

    python -m workers.tiny.clips plain=4 world=14 wide=2 tall=2

Each shard holds 256 clips of 17 frames at 8 frames a second, with six sentences for each.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm
from transformers import CLIPTokenizer

from workers.tiny import text
from workers.tiny.prompts import describe
from workers.tiny.train_vae import load_vae
from workers.tiny.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES, Scene, draw, object_mask, sample_scene

FOLDER = Path("var/train/clips")
SHARD, FRAMES, RATE, SENTENCES = 256, 17, 8, 6
FIELDS = {"shape": SHAPES, "colour": tuple(COLOURS), "size": SIZES, "motion": MOTIONS, "background": BACKGROUNDS}
FRAME_SIZES = {"wide": ((64, 112), (64, 96)), "tall": ((112, 64), (96, 64))}


@dataclass
class Shard:
    """Clips of one frame size: latents [N, 8, F, h, w], weights [N, 1, F, h, w] in 0..1, ids [N, 6, 48], scenes."""

    latents: torch.Tensor
    masks: torch.Tensor
    ids: torch.Tensor
    scenes: list[Scene]


def stage_scene(stage: str, rng: np.random.Generator) -> Scene:
    """A training scene for a stage: `first` is motion and little else, `plain` has no landscapes, others are whole."""
    scene = sample_scene(rng)
    if stage == "first":
        shape = ("circle", "square")[rng.integers(2)] if scene.motion != "spinning" else "square"
        return replace(scene, shape=shape, colour="yellow", size="large", background="black")
    while stage == "plain" and scene.background not in ("black", "white", "grey"):
        scene = sample_scene(rng)
    return scene


@torch.no_grad()
def build_shard(stage: str, index: int, vae, tokenizer: CLIPTokenizer) -> None:
    """Draw, encode and store one shard; latents are float16, masks the object's share of each latent pixel."""
    rng = np.random.default_rng([len(stage), ord(stage[0]), index])
    height, width = FRAME_SIZES.get(stage, ((64, 64),))[index % len(FRAME_SIZES.get(stage, (1,)))]
    times = np.arange(FRAMES) / RATE
    latents, masks, ids, fields = [], [], [], []
    for _ in tqdm(range(SHARD), desc=f"{stage} {index}", mininterval=10):
        scene = stage_scene(stage, rng)
        frames = torch.from_numpy(draw(scene, times, height, width)).permute(0, 3, 1, 2)
        pixels = (frames.float() / 127.5 - 1.0).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            latent = vae.encode(pixels).latent_dist.mean.float()
        latents.append(latent.transpose(0, 1).to(torch.float16))
        mask = torch.from_numpy(object_mask(scene, times, height, width))
        masks.append(torch.nn.functional.avg_pool2d(mask, 8).mul(255).to(torch.uint8))
        ids.append(text.tokenize(tokenizer, [describe(scene, rng) for _ in range(SENTENCES)]).to(torch.int16))
        fields.append([values.index(getattr(scene, name)) for name, values in FIELDS.items()] + [scene.seed])
    FOLDER.mkdir(parents=True, exist_ok=True)
    tensors = {"latents": torch.stack(latents), "masks": torch.stack(masks), "ids": torch.stack(ids)}
    tensors["fields"] = torch.tensor(fields)
    save_file(tensors, FOLDER / f"{stage}-{index:03}.partial")
    (FOLDER / f"{stage}-{index:03}.partial").rename(FOLDER / f"{stage}-{index:03}.safetensors")


def load_shard(path: Path) -> Shard:
    """Read a shard into memory as float32, with the object's mask widened by a latent pixel."""
    stored = load_file(path)
    masks = torch.nn.functional.max_pool2d((stored["masks"] > 8).float(), 3, stride=1, padding=1)
    names = list(FIELDS)
    scenes = [
        Scene(**{name: FIELDS[name][value] for name, value in zip(names, row[:-1], strict=True)}, seed=row[-1])
        for row in stored["fields"].tolist()
    ]
    return Shard(stored["latents"].float(), masks[:, None], stored["ids"].long(), scenes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", metavar="STAGE=SHARDS")
    torch.set_num_threads(1)
    network, words = load_vae(), CLIPTokenizer.from_pretrained(text.FOLDER / "tokenizer")
    for name, shards in (item.split("=") for item in parser.parse_args().stages):
        for number in range(int(shards)):
            if not (FOLDER / f"{name}-{number:03}.safetensors").exists():
                build_shard(name, number, network, words)
