"""Memory modes of the other families, on small models: what they change, and that nothing of them stays."""

import numpy as np
import pytest
import torch

from generation.domain.errors import RenderError
from tests.workers.engines.families.conftest import FAMILIES
from tests.workers.engines.families.test_families import ASKED, quiet, size_of
from workers.engines import memory
from workers.engines.diffusion import held_weights
from workers.engines.diffusion.parts import denoisers, networks_of, weight_bytes
from workers.engines.families import arranging
from workers.engines.ladder import Ladder
from workers.engines.memory import rung_index

WAN = FAMILIES[0]
MODES = [rung.name for rung in arranging.LADDER]
# How many modes fail before one fits.
FAILING = [pytest.param(count, marks=() if count == 1 else pytest.mark.slow) for count in range(1, len(MODES))]


def make(engine, family, on_step=quiet, **changes):
    return engine.generate(**{**ASKED, **size_of(family), "on_step": on_step, **changes})


def begin_in(engine, mode):
    """Let the engine begin its next clips in a memory mode."""
    engine._first_rung, engine._ladder = rung_index(mode, engine._rungs), Ladder()


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def psnr(first, second):
    error = np.square(first.astype(float) - second).mean()
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def test_blocks_that_come_one_by_one_and_weights_in_8_bits_leave_nothing_behind(family, new_engine):
    engine = new_engine(family, inexact="early")
    full = make(engine, family)
    whole = {name: tensor.clone() for name, tensor in engine._pipeline.transformer.state_dict().items()}
    begin_in(engine, "blocks")
    assert np.array_equal(make(engine, family), full), "the same weights compute the same clip"
    assert engine._rung.name == "blocks"
    begin_in(engine, "8-bit")
    small = make(engine, family)
    assert 25 < psnr(small, full) < np.inf
    begin_in(engine, "full")
    assert np.array_equal(make(engine, family), full)
    again = engine._pipeline.transformer.state_dict()
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], tensor) for name, tensor in again.items())


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["8-bit", "blocks"])
def test_weights_rest_in_their_mode_and_count_as_whole(family, new_engine, mode):
    engine = new_engine(family, inexact="early", memory_mode=mode)
    engine.load()
    size = engine.memory_bytes
    make(engine, family)
    (transformer,), texts = denoisers(engine._pipeline), arranging.text_encoders(engine._pipeline)
    assert engine.memory_bytes == size
    assert texts and all(held_weights.saved_bytes(network) > 0 for network in (*texts, transformer))
    assert held_weights.saved_bytes(engine._pipeline.vae) == 0
    blocks = held_weights.block_bytes(transformer)
    assert 0 < held_weights.saved_bytes(transformer) <= sum(blocks) < weight_bytes(transformer)
    engine._clear()
    assert all(held_weights.saved_bytes(network) == 0 for network in networks_of(engine._pipeline))
    assert held_weights.block_bytes(transformer) == blocks


@pytest.mark.thorough
def test_tiles_are_of_the_decoder_alone_and_taken_back(family, new_engine):
    """A small clip is no larger than a tile, and so decoded whole."""
    engine = new_engine(family)
    full = make(engine, family)
    begin_in(engine, "tiles")
    assert np.array_equal(make(engine, family), full)
    assert engine._pipeline.vae.use_tiling
    begin_in(engine, "full")
    assert np.array_equal(make(engine, family), full)
    assert not engine._pipeline.vae.use_tiling


@pytest.mark.thorough
def test_what_a_mode_needs_at_the_least_is_what_is_on_the_card_at_a_time(family, new_engine):
    engine = new_engine(family, inexact="early")
    engine.load()
    least = [engine._least_bytes(rung) for rung in engine._rungs]
    assert least[0] == engine.memory_bytes
    assert least[0] > least[1] >= max(least[2:]) > 0
    assert least[1] == max(weight_bytes(network) for network in networks_of(engine._pipeline))
    make(engine, family, steps=1)
    begin_in(engine, "blocks")
    make(engine, family, steps=1)
    assert [engine._least_bytes(rung) for rung in engine._rungs] == least, "whatever the mode that it is in"


def test_with_blocks_away_a_large_text_encoder_does_not_decide_what_is_tried(new_engine, monkeypatch):
    engine = new_engine(WAN)
    engine.load()
    by_name = {rung.name: engine._least_bytes(rung) for rung in engine._rungs}
    monkeypatch.setattr(memory, "room", lambda _device: by_name["offload"] - 1)
    make(engine, WAN)
    assert engine._rung.name == "blocks"


@pytest.mark.parametrize("fits", FAILING)
def test_a_clip_that_runs_out_of_memory_at_a_step_goes_on_in_the_next_mode(new_engine, fits):
    engine = new_engine(WAN, inexact="early")
    full, failures, heard = make(engine, WAN), [], []

    def fail(*_call):
        if len(failures) < fits:
            failures.append(engine._rung.name)
            raise out_of_memory()

    with engine._pipeline.transformer.proj_out.register_forward_pre_hook(fail):
        made = make(engine, WAN, lambda done, *_rest: heard.append(done))
    assert failures == MODES[:fits]
    assert engine._rung.name == MODES[fits]
    assert heard.count(0) == fits + 1, "the page sees that the clip begins again"
    assert psnr(made, full) > 25
    if MODES[fits] != "8-bit":
        assert np.array_equal(made, full)


def test_a_clip_that_runs_out_of_memory_in_its_middle_goes_on_after_its_last_whole_step(family, new_engine):
    engine, heard, failures = new_engine(family), [], []
    full = make(engine, family)

    def fail(*_call):
        if heard[-1] == 2 and not failures:
            failures.append(engine._rung.name)
            raise out_of_memory()

    inner = next(iter(engine._pipeline.transformer.children()))
    with inner.register_forward_pre_hook(fail):
        made = make(engine, family, lambda done, *_rest: heard.append(done))
    assert failures == ["full"]
    assert engine._rung.name == "offload"
    assert heard[:5] == [0, 1, 2, 2, 3], "no step is taken twice"
    assert np.array_equal(made, full)


@pytest.mark.parametrize("fits", FAILING)
def test_a_clip_that_runs_out_of_memory_while_decoding_is_decoded_again_and_nothing_else(family, new_engine, fits):
    engine = new_engine(family, inexact="early")
    full, failures, passes = make(engine, family), [], []
    decode = engine._pipeline.vae.decode

    def failing(*args, **kwargs):
        if len(failures) < fits:
            failures.append(engine._rung.name)
            raise out_of_memory()
        return decode(*args, **kwargs)

    engine._pipeline.vae.decode = failing
    inner = next(iter(engine._pipeline.transformer.children()))
    with inner.register_forward_pre_hook(lambda *_: passes.append(engine._rung.name)):
        made = make(engine, family)
    assert failures == MODES[:fits]
    assert engine._rung.name == MODES[fits]
    assert set(passes) == {"full"}, "denoising was over"
    assert np.array_equal(made, full), "from the latents that it had"


def test_a_clip_that_runs_out_of_memory_while_its_prompts_are_read_goes_on_too(new_engine):
    engine = new_engine(WAN)
    full, failures = make(new_engine(WAN), WAN), []
    engine.load()

    def fail(*_call):
        if not failures:
            failures.append(engine._rung.name)
            raise out_of_memory()

    with engine._pipeline.text_encoder.register_forward_pre_hook(fail):
        assert np.array_equal(make(engine, WAN), full)
    assert (failures, engine._rung.name) == (["full"], "offload")


@pytest.mark.thorough
def test_a_clip_that_never_fits_says_so_and_the_engine_serves_the_next_one(new_engine):
    engine = new_engine(WAN)
    full = make(engine, WAN)

    def fail(*_call):
        raise out_of_memory()

    with (
        engine._pipeline.transformer.proj_out.register_forward_pre_hook(fail),
        pytest.raises(RenderError) as caught,
    ):
        make(engine, WAN)
    assert caught.value.id == "out-of-memory"
    begin_in(engine, "full")
    assert np.array_equal(make(engine, WAN), full)


def test_nothing_of_a_clip_stays_in_the_decoder_that_was_interrupted(new_engine):
    """Wan's remembers features of the last frames, gigabytes at full size, until it has finished."""
    from generation.domain.errors import Cancelled

    engine, reached = new_engine(WAN), []

    def stop(done, _total, _preview):
        reached.append(done)
        if done > ASKED["steps"]:
            raise Cancelled

    with pytest.raises(Cancelled):
        make(engine, WAN, stop)
    kept = [part for part in engine._pipeline.vae._feat_map if part is not None]
    assert kept == []
