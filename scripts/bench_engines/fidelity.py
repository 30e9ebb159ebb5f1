"""Measures what memory modes and half precision do to clips of the bundled model: PSNR, and what a judge sees.

    python -m scripts.bench_engines.fidelity [--count 12] [--steps 16] [--modes two-passes 8-bit float16] [--json F]

Renders the first `--count` held-out prompts at the form's defaults with the engine on the processor, in float32 with
everything at once, then in each mode. PSNR compares the frames with those of the first; a judge that sees only pixels
says which clips show everything that the sentence asks for. "tiles" compares pictures, drawn at 512x512, decoded whole
and in tiles, since frames of the bundled model are never larger than a tile.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).resolve().parents[2] / "workers" / "tiny" / "models"
PRECISIONS = ("float16", "bfloat16")
TILES = "tiles"
MODES = ("full", "two-passes", "split", "8-bit", "blocks", *PRECISIONS, TILES)
SIDE, FRAMES, GUIDANCE = 64, 17, 3.5
LARGE = 512
BEST = 99.0  # dB, of frames without a difference


def psnr(frames: np.ndarray, expected: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of uint8 frames in dB, at most `BEST`."""
    error = float(((frames.astype(np.float64) - expected) ** 2).mean())
    return BEST if error == 0 else min(BEST, 10 * np.log10(255**2 / error))


def engine_in(mode: str) -> Any:
    """Return an engine that begins in a memory mode, or computes in a precision."""
    from workers.engines.animatediff.engine import AnimateDiffEngine
    from workers.engines.ladder import Ladder

    how = {"precision": mode} if mode in PRECISIONS else {"memory_mode": mode}
    options: dict[str, Any] = {"device": "cpu", "ladder": Ladder(), "inexact": "early", **how}
    return AnimateDiffEngine(MODELS / "text-to-video", MODELS / "motion-adapter", context_length=FRAMES, **options)


def clips(mode: str, prompts: list[str], steps: int) -> Iterator[np.ndarray]:
    """Yield a clip for each prompt, uint8 `[FRAMES, SIDE, SIDE, 3]`, seeded by its number."""
    engine = engine_in(mode)
    for seed, prompt in enumerate(prompts):
        yield engine.generate(prompt, "", SIDE, SIDE, FRAMES, steps, GUIDANCE, seed, lambda *_: None)


def tiles(count: int) -> list[float]:
    """Return the PSNR of large pictures of the bundled model's world that are decoded in tiles."""
    import torch

    from workers.engines.memory import set_tiles
    from workers.tiny.world.prompts import evaluation_prompts
    from workers.tiny.world.scenes import draw

    engine = engine_in("full")
    engine.load()
    vae, found = engine._pipeline.vae, []
    for _prompt, scene in evaluation_prompts(count):
        drawn = torch.from_numpy(draw(scene, np.array([1.0]), LARGE, LARGE)).movedim(-1, 1).float() / 127.5 - 1
        with torch.no_grad():
            set_tiles(vae, False)
            latents = vae.encode(drawn).latent_dist.mode()
            whole = vae.decode(latents).sample
            set_tiles(vae, True)
            pieces = vae.decode(latents).sample
        found.append(psnr(_bytes(pieces), _bytes(whole)))
    return found


def _bytes(pixels: Any) -> np.ndarray:
    return ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().byte().numpy()


def measure(modes: list[str], count: int, steps: int) -> Iterator[dict[str, Any]]:
    """Yield what each mode does, the first one being what the others are compared with."""
    from workers.tiny.training.evaluate import score
    from workers.tiny.world.judge import judge
    from workers.tiny.world.prompts import evaluation_prompts

    asked = evaluation_prompts(count)
    expected: list[np.ndarray] = []
    for mode in ["full", *(mode for mode in modes if mode != "full")]:
        if mode == TILES:
            yield {"mode": mode, "psnr": tiles(count)}
            continue
        made = list(clips(mode, [prompt for prompt, _scene in asked], steps))
        expected = expected or made
        shares = score((scene, judge(clip)) for clip, (_prompt, scene) in zip(made, asked, strict=True))
        yield {"mode": mode, "psnr": [psnr(*pair) for pair in zip(made, expected, strict=True)], **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what memory modes do to clips.")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for row in measure(options.modes, options.count, options.steps):
        rows.append(row)
        right = ", ".join(f"{name} {row[name]:.0%}" for name in row if name not in ("mode", "psnr"))
        least, median = min(row["psnr"]), float(np.median(row["psnr"]))
        print(f"{row['mode']:11} PSNR {median:.1f} dB (least {least:.1f}); {right}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
