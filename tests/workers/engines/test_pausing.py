"""A clip that is interrupted between two steps continues there, in another engine, bit for bit."""

import gc
import json
import logging
import weakref
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from generation.catalogue.diffusers_names import ANIMATEDIFF_SCHEDULERS
from generation.domain.errors import Paused
from tests.sampling import every
from workers.engines import registry
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.diffusion import checkpoint as checkpoints

STEPS = 4


def make(engine, on_step=lambda *_step: None, checkpoint=None, scheduler=None, loras=None, **changes):
    asked = {
        "prompt": "a red heart",
        "negative_prompt": "blurry",
        "width": 64,
        "height": 48,
        "frames": 3,
        "steps": STEPS,
        "guidance": 5.0,
        "seed": 7,
        **changes,
    }
    options = {"scheduler": scheduler, "loras": loras, "checkpoint": checkpoint}
    return engine.generate(**asked, on_step=on_step, **options)


def pause_at(step):
    """Return a callback that pauses after so many steps."""

    def on_step(done, total, preview):
        if done >= step:
            raise Paused

    return on_step


def paused(engine, step, **changes):
    """Return the checkpoint of a clip that was paused after so many steps."""
    with pytest.raises(Paused) as caught:
        make(engine, pause_at(step), **changes)
    return caught.value.checkpoint


def recorder():
    steps = []
    return steps, lambda done, total, preview: steps.append(done)


@pytest.fixture(scope="module")
def engines(small):
    """Return two engines of the same model, as two workers have them."""
    return [AnimateDiffEngine(small.base, small.adapter, device="cpu", label="Small model") for _worker in range(2)]


@pytest.mark.parametrize(("scheduler", "guidance"), every(3, product(ANIMATEDIFF_SCHEDULERS, (5.0, 1.0))))
def test_a_clip_is_the_same_with_and_without_a_pause(engines, scheduler, guidance):
    sampling = {"scheduler": {"class": scheduler}, "guidance": guidance}
    one, other = engines
    steps, on_step = recorder()
    whole = make(one, on_step, **sampling)
    last = max(steps) - 1  # denoising steps; some schedulers take one more. Three frames are decoded at once.
    for step in (1, last // 2, last):
        steps, on_step = recorder()
        continued = make(other, on_step, checkpoint=paused(one, step, **sampling), **sampling)
        assert np.array_equal(continued, whole), f"paused after step {step} of {last}"
        assert steps == [step, *range(step + 1, last + 2)], "no step is taken twice"


def test_pausing_again_and_again_changes_nothing(engines):
    """Each step in another engine, ancestral noise included; a pause before its first step changes nothing."""
    sampling = {"scheduler": {"class": "EulerAncestralDiscreteScheduler"}}
    checkpoint = None
    for step in range(1, STEPS + 1):
        with pytest.raises(Paused) as caught:
            make(engines[step % 2], pause_at(step), checkpoint, **sampling)
        before, checkpoint = checkpoint, caught.value.checkpoint
        with pytest.raises(Paused) as caught:
            make(engines[0], pause_at(0), before, **sampling)
        assert caught.value.checkpoint == before
    assert np.array_equal(make(engines[0], checkpoint=checkpoint, **sampling), make(engines[1], **sampling))


def test_a_clip_that_was_paused_while_it_was_decoded_is_not_denoised_again(new_engine):
    """Five frames are decoded in two batches."""
    checkpoint = paused(new_engine(), STEPS + 1, frames=5)
    engine = new_engine()
    engine.load()
    engine._pipeline.unet.register_forward_hook(lambda *_call: pytest.fail("denoised again"))
    assert np.array_equal(make(engine, checkpoint=checkpoint, frames=5), make(new_engine(), frames=5))


def test_a_clip_longer_than_the_window_continues_too(engines):
    """FreeNoise shuffles the noise that it draws first."""
    long = {"frames": 19, "steps": 2, "guidance": 2.0}
    continued = make(engines[0], checkpoint=paused(engines[1], 1, **long), **long)
    assert np.array_equal(continued, make(engines[0], **long))


def test_pausing_before_the_first_step_keeps_nothing(engines):
    assert paused(engines[0], 0) is None


def test_after_a_pause_nothing_holds_the_weights(new_engine):
    """Neither the error nor what it interrupted: what is still referred to stays on the card."""
    from workers.runner import forget_frames

    found = registry.Registry()
    engine = found.get("engine", new_engine)
    held = [weakref.ref(part) for part in (engine._pipeline, engine._pipeline.unet, engine._pipeline.text_encoder)]
    try:
        make(engine, pause_at(1))
    except Paused as pause:
        forget_frames(pause)
        del engine
        found.release_all("rendering is paused")
        gc.collect()
        assert [ref() for ref in held] == [None, None, None]
        assert found.keys() == []
        assert pause.checkpoint


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt": "a blue cube"}, "prompt"),
        ({"seed": 8}, "seed"),
        ({"steps": 5}, "steps"),
        ({"guidance": 2.0}, "guidance"),
        ({"scheduler": {"class": "UniPCMultistepScheduler"}}, "scheduler"),
        ({"frames": 4}, "size"),
    ],
)
def test_the_checkpoint_of_another_clip_is_ignored(engines, caplog, changes, reason):
    with caplog.at_level(logging.WARNING):
        made = make(engines[0], checkpoint=paused(engines[1], 2), **changes)
    assert f"made with another {reason}" in caplog.text
    assert np.array_equal(made, make(engines[0], **changes))


@pytest.mark.parametrize("where", ["version", "precision", "weights"])
def test_the_checkpoint_of_another_version_or_precision_is_ignored(new_engine, caplog, where):
    engine = new_engine()
    facts = engine._facts
    engine._facts = lambda clip: {**facts(clip), where: "another"}
    with caplog.at_level(logging.WARNING):
        made = make(new_engine(), checkpoint=paused(engine, 2))
    assert f"made with another {where}" in caplog.text
    assert np.array_equal(made, make(new_engine()))


def _cut(data):
    return data[:-100]


def _flipped(data):
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


def _empty(_data):
    return b""


def _foreign(_data):
    header = json.dumps({"__metadata__": {"made": "elsewhere"}}).encode()
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize("damage", [_cut, _flipped, _empty, _foreign])
def test_a_damaged_checkpoint_is_ignored(engines, caplog, damage):
    with caplog.at_level(logging.WARNING):
        made = make(engines[0], checkpoint=damage(paused(engines[1], 2)))
    assert "the clip begins again, since its checkpoint cannot be used: it is damaged" in caplog.text
    assert np.array_equal(made, make(engines[0]))


def test_a_scheduler_that_goes_on_leaves_the_checkpoint_as_it_was():
    """Some add to what they remember in place, and a clip that runs out of memory goes on from here once more."""
    first, again = (SimpleNamespace(model_output=torch.zeros(3)) for _attempt in range(2))
    generator = torch.Generator()
    data = checkpoints.capture(1, torch.zeros(1, 4, 1, 2, 2), {}, first, generator)
    found = checkpoints.read(data, {})
    found.restore(first, generator, "cpu")
    first.model_output += 1
    found.restore(again, generator, "cpu")
    assert not again.model_output.any()


def test_a_scheduler_that_remembers_more_than_numbers_cannot_be_stored(caplog):
    class Scheduler:
        def __init__(self):
            self.sampler = object()

    pause = Paused()
    checkpoints.attach(pause, 1, torch.zeros(1), dict, Scheduler())
    assert pause.checkpoint is None
    assert "will begin again after the pause: scheduler.sampler is a object" in caplog.text
