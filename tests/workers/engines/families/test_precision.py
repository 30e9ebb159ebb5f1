"""Parts of a model that go wrong in half precision. Decoders here overflow in it as real ones do."""

from dataclasses import replace

import numpy as np
from safetensors.torch import load_file, save_file

from tests.workers.engines.families.conftest import FAMILIES
from tests.workers.engines.families.test_families import STEPS, make
from workers.engines.precision import NotFinite, Precisions

WAN = FAMILIES[0]


def changed(family, name, change):
    """Return a family with `change(weight)` instead of some weights of its decoder."""

    def write(folder, **options):
        base = family.write(folder, **options)
        (file,) = (base / "vae").glob("*.safetensors")
        weights = load_file(file)
        found = [each for each in weights if each.startswith(name)]
        assert found
        save_file({**weights, **{each: change(weights[each]) for each in found}}, file, {"format": "pt"})
        return base

    return replace(family, name=f"{family.name}-{name}", write=write)


def overflowing(family):
    """Return a family whose decoder has values that float16 cannot hold, and that its last normalization takes back."""
    return changed(family, "decoder.conv_in.", lambda weight: weight * 2e5)


def in_half(new_engine, family, **options):
    return new_engine(family, **{"precision": "float16", "found": Precisions(), **options})


def has_weights(layer):
    return bool(list(layer.parameters(recurse=False)))


def passes(engine):
    """Return a list that gets the network's precision each time it computes, whichever weights are loaded."""
    seen, load = [], engine.load

    def loading():
        before = engine._pipeline
        load()
        if engine._pipeline is not before:
            network = engine._pipeline.transformer
            first = next(layer for layer in network.modules() if layer is not network and has_weights(layer))
            first.register_forward_pre_hook(lambda *_call: seen.append(str(network.dtype)))

    engine.load = loading
    return seen


def test_a_decoder_that_overflows_costs_no_second_denoising(family, new_engine, caplog):
    wrong = overflowing(family)
    found = Precisions()
    found.remember("cpu", "Small model", "decoder", "float32")
    known = in_half(new_engine, wrong, found=found)
    expected_passes, expected = passes(known), make(known, wrong)
    engine, done = in_half(new_engine, wrong), []
    seen = passes(engine)
    made = make(engine, wrong, lambda step, *_rest: done.append(step))
    assert "going on in" in caplog.text
    assert engine._used == {"network": "float16", "decoder": "float32"}
    assert np.array_equal(made, expected)
    assert seen == expected_passes, "the network has made its latents once"
    assert done.count(0) == 1
    assert done.count(1) == 1
    assert done.count(STEPS) >= 2, "progress goes on where decoding begins"


def test_a_network_that_overflows_begins_the_clip_again(new_engine, family):
    """What it has made is no use."""
    engine, done = in_half(new_engine, family), []
    seen = passes(engine)

    def on_step(step, *_rest):
        done.append(step)
        if done == [0, 1]:
            raise NotFinite("network", "step 2 gave no numbers")

    made, found = make(engine, family, on_step), Precisions()
    assert engine._used == {"network": "float32", "decoder": "float16"}
    assert done[:4] == [0, 1, 0, 1]
    assert len(set(seen)) == 2, "in both precisions"
    found.remember("cpu", "Small model", "network", "float32")
    assert np.array_equal(made, make(in_half(new_engine, family, found=found), family))


def test_black_frames_are_decoded_again_without_a_second_denoising(new_engine):
    black = changed(WAN, "decoder.conv_out.bias", lambda weight: weight - 1e3)
    engine, done = in_half(new_engine, black), []
    seen = passes(engine)
    assert not make(engine, black, lambda step, *_rest: done.append(step)).any(), "believed in full precision"
    assert engine._used == {"network": "float16", "decoder": "float16"}
    assert (done.count(0), done.count(1)) == (1, 1)
    assert len(seen) == 2 * STEPS, "with guidance"
