"""Parts of a model that compute in different precisions, since one went wrong in half precision."""

import numpy as np

from tests.workers.engines.families.test_families import make
from workers.engines.precision import NotFinite, Precisions


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
