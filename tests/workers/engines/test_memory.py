import shutil

import numpy as np
import pytest
import torch

from generation.catalogue.load import load_catalogue
from generation.domain.errors import RenderError
from workers.engines import memory, registry
from workers.engines.animatediff.engine import AnimateDiffEngine, Motion
from workers.engines.diffusion.parts import least_bytes, weight_bytes
from workers.engines.files.source import Source
from workers.engines.ladder import Ladder
from workers.engines.memory import LADDER, TILE, allowed, join_inference, rung_index, set_tiles, split_inference
from workers.engines.registry import Registry

pytestmark = pytest.mark.thorough

NAMES = [rung.name for rung in LADDER]
EXACT = [rung.name for rung in LADDER if rung.is_exact]
USUAL = [rung.name for rung in allowed("last")]


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def begin_in(engine, mode):
    """Let the engine begin its next clips in a memory mode."""
    engine._first_rung, engine._ladder = rung_index(mode, engine._rungs), Ladder()


def loaded(engine):
    engine.load()
    return engine


def make(engine, frames=3, size=(64, 48), on_step=lambda *_: None, **options):
    return engine.generate("a red heart", "", *size, frames, 1, 5.0, 7, on_step, **options)


@pytest.fixture(scope="module")
def expected(small):
    """Return what `make` gives with the whole model in memory."""
    return make(AnimateDiffEngine(small.base, small.adapter, device="cpu", ladder=Ladder()))


def test_a_memory_mode_is_auto_or_the_name_of_a_rung():
    assert [rung_index(name) for name in ("auto", *NAMES)] == [0, *range(len(LADDER))]
    with pytest.raises(ValueError, match="none of auto, full"):
        rung_index("tiny")


def test_modes_that_change_the_clip_come_last_or_never_unless_the_site_wants_the_faster_ones():
    assert [rung.name for rung in allowed("never")] == EXACT
    assert [*EXACT, "tiles"] == USUAL
    assert NAMES.index("8-bit") < NAMES.index("blocks")
    assert allowed("early") == LADDER


def test_split_inference_gives_the_same_numbers_and_can_be_undone(new_engine):
    engine = new_engine()
    engine.load()
    unet = engine._pipeline.unet
    before = [name for name, _ in unet.named_modules()]
    sample = torch.randn(2, 4, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    text = torch.randn(6, 77, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = unet(sample, 500, text).sample
        split_inference(unet, spatial=5, temporal=2)
        split_inference(unet, spatial=5, temporal=2)  # twice is the same as once
        assert len(list(unet.named_modules())) > len(before)
        assert torch.allclose(whole, unet(sample, 500, text).sample, atol=1e-4)
        join_inference(unet)
        assert [name for name, _ in unet.named_modules()] == before
        assert torch.equal(whole, unet(sample, 500, text).sample)


@pytest.mark.parametrize("frames", [3, 19])
def test_every_mode_makes_the_same_clip(new_engine, small, frames):
    loras = [(small.motion_lora, 0.7)]
    engine = new_engine()
    full = make(engine, frames, loras=loras).astype(int)
    for mode in EXACT[:0:-1]:
        begin_in(engine, mode)
        assert abs(make(engine, frames, loras=loras) - full).max() <= 2  # rounding, since sums are split differently
        assert engine._rung.name == mode


@pytest.mark.parametrize("mode", ["8-bit", "blocks"])
def test_in_every_mode_loras_come_and_go_adapters_change_and_the_first_mode_gives_the_same_bytes_again(
    new_engine, small, tmp_path, mode
):
    loras, other = [(small.motion_lora, 0.7), (small.spatial_lora, 0.5)], shutil.copytree(small.adapter, tmp_path / "o")
    engine = new_engine(inexact="early")
    full, with_loras = make(engine), make(engine, loras=loras)
    begin_in(engine, mode)
    plain, changed, again = (make(engine, loras=wanted) for wanted in (None, loras, None))
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, changed)
    for made, expected in ((plain, full), (changed, with_loras)):
        assert abs(made.astype(int) - expected).mean() < 6
    make(engine, loras=loras)
    engine.use(Motion(other, None, 16, 4, Source("Other motion")))
    make(engine, loras=loras)
    begin_in(engine, "full")
    assert np.array_equal(make(engine, loras=loras), with_loras)
    assert np.array_equal(make(engine), full)


@pytest.mark.parametrize("inexact", ["never", "last", "early"])
def test_every_mode_that_a_site_allows_has_a_need_and_is_not_tried_in_vain(inexact, tmp_path):
    catalogue = load_catalogue()
    model, adapter = catalogue.models["stable-diffusion-v1-5"], next(iter(catalogue.adapters.values()))
    engine = AnimateDiffEngine.from_entries(model, adapter, tmp_path, inexact=inexact)
    assert set(engine._needs(512, 512, 17, guided=True)) == {rung.name for rung in engine._rungs}


@pytest.mark.parametrize("mode", ["8-bit", "blocks"])
def test_a_parked_engine_has_all_its_weights_in_main_memory_whatever_its_mode(new_engine, expected, mode):
    engine = new_engine(inexact="early", memory_mode=mode)
    engine.load()
    size, weights = engine.memory_bytes, weight_bytes(engine._pipeline.unet)
    make(engine)
    assert engine.memory_bytes == size
    engine._clear()
    assert sum(tensor.nbytes for tensor in engine._pipeline.unet.state_dict().values()) == weights
    begin_in(engine, "full")
    assert np.array_equal(make(engine), expected)


@pytest.mark.parametrize("side", [64, TILE])
def test_a_frame_that_is_no_larger_than_a_tile_is_decoded_whole(new_engine, side):
    vae = loaded(new_engine())._pipeline.vae
    latents = torch.randn(1, 4, side // 8, side // 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        set_tiles(vae, False)
        whole = vae.decode(latents).sample
        set_tiles(vae, True)
        assert torch.equal(vae.decode(latents).sample, whole)


def test_larger_frames_are_decoded_in_tiles_that_overlap(new_engine, monkeypatch):
    vae = loaded(new_engine())._pipeline.vae
    sizes, run = [], vae.decoder.forward
    monkeypatch.setattr(vae.decoder, "forward", lambda tile: sizes.append(tuple(tile.shape[-2:])) or run(tile))
    set_tiles(vae, True)
    with torch.no_grad():
        assert vae.decode(torch.zeros(1, 4, 64, 64)).sample.shape[-2:] == (512, 512)
    assert sizes == [(48, 48), (48, 32), (32, 48), (32, 32)], "of a latent of 64: 0 to 48 and 32 to 64"


def test_offloading_keeps_only_the_network_at_work_on_the_device_and_is_taken_back(new_engine, expected):
    engine = new_engine(memory_mode="offload")
    engine.__dict__["device"] = "cpu:0"  # a device other than "cpu" for the engine, so that hooks are really installed
    assert abs(make(engine).astype(int) - expected).max() <= 1
    parts = [engine._pipeline.text_encoder, engine._pipeline.unet, engine._pipeline.vae]
    assert all(hasattr(part, "_hf_hook") for part in parts)
    engine._first_rung, engine._ladder = 0, Ladder()
    assert np.array_equal(make(engine), expected)
    assert not any(hasattr(part, "_hf_hook") for part in parts)


@pytest.mark.parametrize("fits", range(1, len(USUAL)))
def test_an_engine_that_runs_out_while_denoising_goes_on_more_economically(new_engine, expected, monkeypatch, fits):
    engine = new_engine()
    denoise, started = engine._denoise, []

    def failing(clip, *args):
        started.append(clip)
        if len(started) <= fits:
            raise out_of_memory()
        return denoise(clip, *args)

    monkeypatch.setattr(engine, "_denoise", failing)
    calls = []
    clip = make(engine, on_step=lambda *call: calls.append(call[:2]))
    assert abs(clip.astype(int) - expected).max() <= 2
    assert len(started) == fits + 1
    assert [call[0] for call in calls].count(0) == fits + 1  # the work restarts, and progress shows it
    assert [fit.rung for fit in engine._ladder.fitted.values()] == [fits]


def test_an_engine_that_runs_out_while_decoding_keeps_what_it_denoised(new_engine, expected, monkeypatch):
    engine = new_engine()
    make(engine)  # fit the preview now, which decodes a few small frames
    decode, denoise, sizes, runs = engine._pipeline.vae.decode, engine._denoise, [], []

    def failing(latents):
        sizes.append(len(latents))
        if len(latents) > 1:
            raise out_of_memory()
        return decode(latents)

    monkeypatch.setattr(engine._pipeline.vae, "decode", failing)
    monkeypatch.setattr(engine, "_denoise", lambda *args: runs.append(1) or denoise(*args))
    clip = make(engine)
    assert abs(clip.astype(int) - expected).max() <= 1
    assert (sizes, runs) == ([3, 1, 1, 1], [1])


def test_an_engine_that_never_fits_says_so_and_can_be_used_again(new_engine, expected, monkeypatch):
    engine = new_engine()

    def failing(*_):
        raise out_of_memory()

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_denoise", failing)
        with pytest.raises(RenderError) as caught:
            make(engine)
    assert caught.value.id == "out-of-memory"
    assert np.array_equal(make(engine), expected)


def test_what_a_mode_needs_at_least_are_its_weights_or_under_offload_those_of_the_largest_part(new_engine):
    engine = new_engine()
    engine.load()
    full, offload = (least_bytes(engine._pipeline, LADDER[rung_index(name)]) for name in ("full", "offload"))
    assert full == engine.memory_bytes
    assert 0 < offload < full
    small, away = (least_bytes(engine._pipeline, LADDER[rung_index(name)]) for name in ("8-bit", "blocks"))
    assert 0 < away <= small < offload


def test_modes_that_the_card_has_no_room_for_are_not_tried(new_engine, expected, monkeypatch):
    engine = new_engine()
    engine.load()
    monkeypatch.setattr(memory, "room", lambda _device: engine.memory_bytes - 1)
    assert abs(make(engine).astype(int) - expected).max() <= 1
    assert engine._rung.name == "offload"
    assert engine.notes == [{"model": "Small model", "id": "memory-mode", "mode": "offload"}]


def test_a_worker_fills_no_more_of_a_shared_card_than_it_may(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (6 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 2**30)
    assert memory.room("cuda") == 7 * 2**30
    monkeypatch.setattr(memory, "_limit", None)
    for limit, room in ((4 * 2**30, 4), (9 * 2**30, 7), (None, 7)):
        memory.limit_room(limit)
        assert memory.room("cuda") == room * 2**30
    assert memory.room("cpu") is None


def test_other_warm_models_go_before_a_more_economical_mode_is_chosen(new_engine, expected, monkeypatch):
    warm = Registry(10**12)
    monkeypatch.setattr(registry, "_default", warm)
    engine, other = (warm.get(name, lambda: new_engine()) for name in ("one", "other"))
    denoise = engine._denoise

    def failing(*args):
        if len(warm.keys()) > 1:
            raise out_of_memory()
        return denoise(*args)

    monkeypatch.setattr(engine, "_denoise", failing)
    assert np.array_equal(make(engine), expected)
    assert (warm.keys(), other.memory_bytes, engine._rung.name) == (["one"], 0, "full")


def test_another_adapter_starts_in_its_own_mode_and_works_there(new_engine, small, tmp_path, monkeypatch):
    """The first clip ran out of memory; one with another adapter, whose preview is not fitted yet, is not affected."""
    ladder = Ladder()
    first = new_engine(ladder=ladder)
    denoise, failures = first._denoise, [out_of_memory(), out_of_memory()]

    def failing(*args):
        if failures:
            raise failures.pop()
        return denoise(*args)

    monkeypatch.setattr(first, "_denoise", failing)
    make(first)
    assert first._rung.name == "offload"
    second = new_engine(adapter=shutil.copytree(small.adapter, tmp_path / "other"), ladder=ladder)
    make(second)
    assert (second.label, second._rung.name) == (first.label, "full")


def test_a_parked_engine_leaves_the_card_and_makes_the_same_clip_again(new_engine, expected):
    engine = new_engine()
    engine.__dict__["device"] = "cpu:0"  # a device other than "cpu" for the engine
    engine.park()  # nothing is loaded yet
    make(engine)
    engine.park()
    assert engine._arranged is None
    assert engine._pipeline.unet.device.type == "cpu"
    assert np.array_equal(make(engine), expected)
