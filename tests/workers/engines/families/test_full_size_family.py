"""One of the other families at full size on the processor, with random weights: Wan 2.1 1.3B in bfloat16.

Of its text encoder, 5.7 billion parameters, there are 2 of 24 layers, and a small vocabulary.
"""

import json
import resource
import time

import numpy as np
import pytest
import torch

from tests import full_size_models, small_families
from tests.full_size_families import WAN_1_3B
from tests.rigs.paper_card.families import engines
from workers.engines.families.engine import FamilyEngine
from workers.engines.ladder import Ladder

CLIP = {"prompt": "a red circle", "negative_prompt": "blurry", "width": 128, "height": 128}
FRAMES, STEPS, GUIDANCE, SEED = 5, 2, 5.0, 7


def write(folder):
    """Write the model as its repository is laid out, and return the number of the transformer's parameters."""
    import diffusers

    tokenizer = small_families.t5_tokenizer(folder / "words")
    family = WAN_1_3B.shortened("text_encoder", num_layers=2, vocab_size=len(tokenizer))
    tokenizer.save_pretrained(folder / "tokenizer")
    networks = {}
    for seed, (name, part) in enumerate(family.parts.items()):
        networks[name] = network = engines.built(part)
        weights = full_size_models.random_weights(network, seed, torch.bfloat16)
        network.load_state_dict(weights)
        network.save_pretrained(folder / name)
    scheduler, config = family.scheduler
    getattr(diffusers, scheduler).from_config(config).save_pretrained(folder / "scheduler")
    parts = {
        "tokenizer": ["transformers", "T5Tokenizer"],
        "scheduler": ["diffusers", scheduler],
        **{name: [part.library, part.cls] for name, part in family.parts.items()},
    }
    index = {"_class_name": family.pipeline, "_diffusers_version": diffusers.__version__, **parts}
    (folder / "model_index.json").write_text(json.dumps(index))
    return sum(tensor.numel() for tensor in networks["transformer"].parameters())


def plain_call(folder):
    """Return the frames of the pipeline as diffusers' own documentation calls it, uint8 [F, H, W, 3]."""
    from diffusers import WanPipeline

    dtypes = {"vae": torch.float32, "default": torch.bfloat16}
    pipeline = WanPipeline.from_pretrained(str(folder), torch_dtype=dtypes, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        **CLIP,
        num_frames=FRAMES,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="np",
    ).frames[0]
    return (np.asarray(made) * 255).round().astype(np.uint8)


@pytest.mark.slow
def test_wan_at_full_size_makes_the_frames_of_the_plain_call(tmp_path, record_property):
    parameters = write(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    family = WAN_1_3B
    engine = FamilyEngine(
        *(tmp_path, family.pipeline),
        rule=family.rule,
        fps=family.fps,
        max_tokens=512,
        precisions={name: part.precision for name, part in family.parts.items()},
        device="cpu",
        precision="bfloat16",
        ladder=Ladder(),
    )
    started = time.monotonic()
    engine.load()
    loaded = time.monotonic()
    heard = []
    frames = engine.generate(
        **CLIP,
        frames=FRAMES,
        steps=STEPS,
        guidance=GUIDANCE,
        seed=SEED,
        on_step=lambda done, total, preview: heard.append((done, total, preview and preview())),
    )
    made = time.monotonic()
    kinds = {part: getattr(engine._pipeline, part).dtype for part in family.parts}
    weights = engine.memory_bytes
    engine.release()
    assert parameters == family.parts["transformer"].parameters
    assert kinds == {part: getattr(torch, family.parts[part].precision) for part in family.parts}
    assert frames.shape == (FRAMES, CLIP["height"], CLIP["width"], 3)
    assert frames.std() > 1
    assert [call[0] for call in heard][: STEPS + 1] == [0, 1, 2]
    assert heard[1][2].std() > 0, "with a preview"
    assert np.array_equal(frames, plain_call(tmp_path))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = {"disk GB": size / 1e9, "weights GB": weights / 1e9, "load s": loaded - started, "clip s": made - loaded}
    figures["peak GB"] = peak / 1e9
    record_property("figures", figures)
    print({name: round(value, 2) for name, value in figures.items()})
