"""Measures the bundled text-to-video model on held-out prompts.

    python -m workers.tiny.training.evaluate --count 60 [--seed 7] [--steps 16] [--guidance 3.5] [--sheet sheet.png]

A different seed draws other sentences: choose settings on those, and measure on the default ones. Generates each clip
with diffusers' AnimateDiffPipeline, lets a judge that sees only pixels classify it, prints the accuracy and writes a
contact sheet: one row per clip, requested and seen.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from tqdm import tqdm

from generation.catalogue.entries import BUILTIN_MODELS
from workers.tiny.world import steadiness
from workers.tiny.world.judge import judge
from workers.tiny.world.prompts import EVALUATION_SEED, evaluation_prompts
from workers.tiny.world.scenes import Scene

MODELS = BUILTIN_MODELS
ATTRIBUTES = ("background", "colour", "motion", "shape", "size")


def load_pipeline(folder: Path = MODELS):
    """Return the AnimateDiffPipeline of an exported folder, in float32."""
    from diffusers import AnimateDiffPipeline, MotionAdapter

    adapter = MotionAdapter.from_pretrained(folder / "motion-adapter", torch_dtype=torch.float32)
    pipeline = AnimateDiffPipeline.from_pretrained(
        folder / "text-to-video", motion_adapter=adapter, torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate(pipeline, prompt: str, seed: int, steps: int, guidance: float, frames: int, size=(64, 64)) -> np.ndarray:
    """Return one clip: uint8 RGB [frames, height, width, 3]."""
    video = pipeline(
        prompt,
        num_frames=frames,
        height=size[0],
        width=size[1],
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).frames[0]
    return (np.clip(video, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def score(results: Iterable[tuple[Scene, Scene]]) -> dict[str, float]:
    """Return the share of clips with each attribute judged correctly, and of those with all of them right."""
    rows = [[getattr(asked, name) == getattr(seen, name) for name in ATTRIBUTES] for asked, seen in results]
    shares = np.mean(rows, axis=0)
    return {**dict(zip(ATTRIBUTES, shares.tolist(), strict=True)), "all": float(np.mean(np.all(rows, axis=1)))}


def contact_sheet(rows: list[tuple[str, str, np.ndarray]], columns: int = 9) -> Image.Image:
    """Return an image with one row per clip (asked, seen, uint8 [F, H, W, 3]): two lines of text above its frames."""
    height, width = rows[0][2].shape[1:3]
    sheet = Image.new("RGB", (columns * width, len(rows) * (height + 26)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (asked, seen, clip) in enumerate(rows):
        top = index * (height + 26)
        pen.text((2, top), asked, fill="black")
        pen.text((2, top + 12), seen, fill="gray")
        for column, frame in enumerate(np.linspace(0, len(clip) - 1, columns).round().astype(int)):
            sheet.paste(Image.fromarray(clip[frame]), (column * width, top + 26))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=EVALUATION_SEED, help="of the sentences")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--guidance", type=float, default=3.5)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--folder", type=Path, default=MODELS)
    parser.add_argument("--sheet", type=Path, default=Path("var/train/sheet.png"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pipeline, results, rows = load_pipeline(options.folder), [], []
    for number, (prompt, asked) in enumerate(tqdm(evaluation_prompts(options.count, options.seed), mininterval=5)):
        clip = generate(pipeline, prompt, number, options.steps, options.guidance, options.frames)
        seen = judge(clip)
        results.append((asked, seen))
        rows.append((prompt, f"{seen.size} {seen.colour} {seen.shape} {seen.motion}, {seen.background}", clip))
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(rows).save(options.sheet)
    steady = [steadiness.measure(row[2], asked) for row, (asked, _seen) in zip(rows, results, strict=True)]
    shares = {**score(results), "steady": steadiness.share(steady)}
    print("\n".join(f"{name:12} {share:6.1%}" for name, share in shares.items()))


if __name__ == "__main__":
    main()
