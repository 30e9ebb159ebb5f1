"""Every full-size entry of the catalogue, loaded and run by the same code as the downloaded files.

The files are generated at random, in the published layout, with the published configurations; their widths are small,
so that the CPU can run them. One test, marked slow, uses the real widths.
"""

import functools
import resource
import time

import numpy as np
import pytest
import torch

from generation.catalogue.load import load_catalogue
from tests import full_size_models as models
from tests.sampling import every
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.ladder import Ladder
from workers.engines.memory import LADDER

CATALOGUE = load_catalogue()
BASES = [model for model in CATALOGUE.models.values() if model.is_animatediff and not model.builtin]
ADAPTERS = [adapter for adapter in CATALOGUE.adapters.values() if not adapter.builtin]
CAMERA = [lora for lora in CATALOGUE.loras.values() if not lora.hidden]
# guoyww's v1-5-3 is the only published adapter without motion modules in the middle block.
WITHOUT_MID_BLOCK = {"animatediff-v1-5-3"}


def write_base(model, home, widths):
    folder = models.write_base(model.path(home), widths, variant=model.variant, vae=model.vae_repo is None)
    if model.vae_repo is not None:
        models.write_vae(folder / "vae", widths, sample_size=256)
    assert model.missing(home) == (), "the test does not write the layout that the entry downloads"


def write_adapter(adapter, home, widths):
    if adapter.weights:
        models.write_bare_adapter(adapter.path(home) / adapter.weights, widths)
    else:
        mid_block = adapter.id not in WITHOUT_MID_BLOCK
        models.write_adapter(adapter.path(home), widths, variant=adapter.variant, mid_block=mid_block)
    assert adapter.missing(home) == ()


def write_lora(lora, home, widths):
    write = models.write_spatial_lora if lora.hidden else models.write_motion_lora
    write(lora.weights_path(home), widths)
    assert lora.missing(home) == ()
    return lora.weights_path(home)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home folder with the first base and every downloadable adapter and LoRA."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("home")
    write_base(BASES[0], home, models.SMALL)
    for adapter in ADAPTERS:
        write_adapter(adapter, home, models.SMALL)
    for lora in CATALOGUE.loras.values():
        write_lora(lora, home, models.SMALL)
    return home


def engine_for(model, adapter, home, **options):
    return AnimateDiffEngine.from_entries(model, adapter, home, device="cpu", ladder=Ladder(), **options)


def make(engine, frames, steps, guidance, on_step=lambda *_: None, prompt="a red heart", **options):
    return engine.generate(prompt, "", 32, 32, frames, steps, guidance, 1, on_step, **options)


def test_there_is_something_to_try():
    assert len(BASES) >= 6
    assert {"animatediff-v1-5-2", "animatediff-v1-5-3", "animatelcm"} <= {adapter.id for adapter in ADAPTERS}
    assert sum(adapter.weights is not None for adapter in ADAPTERS) >= 3
    assert len(CAMERA) == 8


@pytest.mark.parametrize("model", every(3, BASES), ids=lambda model: model.id)
def test_every_base_model_loads_from_its_layout_and_makes_a_clip(model, home, tmp_path):
    if model is not BASES[0]:
        write_base(model, tmp_path, models.SMALL)
        (tmp_path / "models" / model.adapter).symlink_to(CATALOGUE.adapters[model.adapter].path(home))
        home = tmp_path
    engine = engine_for(model, CATALOGUE.adapters[model.adapter], home)
    clip = make(engine, 4, 2, model.guidance)
    assert (clip.shape, clip.dtype) == ((4, 32, 32, 3), np.uint8)
    assert clip.std() > 5
    scheduler = engine._pipeline.scheduler
    assert type(scheduler).__name__ == model.scheduler["class"]
    assert all(scheduler.config[name] == value for name, value in model.scheduler.items() if name != "class")
    assert scheduler.config.beta_end == models.SCHEDULER_CONFIG["beta_end"]
    assert engine.max_prompt_tokens == model.max_prompt_tokens
    if model.vae_repo:
        assert engine._pipeline.vae.config.sample_size == 256


@pytest.mark.parametrize("adapter", every(4, ADAPTERS), ids=lambda adapter: adapter.id)
def test_every_adapter_makes_short_and_long_clips_with_its_own_steps_and_loras(adapter, home):
    loras = [CATALOGUE.loras[adapter.lora[0]]] if adapter.lora else []
    weights = [(lora.weights_path(home), adapter.lora[1]) for lora in loras]
    weights += [(lora.weights_path(home), lora.default_weight) for lora in CATALOGUE.loras_for(adapter)[:1]]
    engine = engine_for(BASES[0], adapter, home)
    calls = []
    guidance = adapter.guidance or BASES[0].guidance
    clip = make(engine, 24, min(adapter.steps or 2, 4), guidance, lambda *call: calls.append(call), loras=weights)
    assert clip.shape == (24, 32, 32, 3)
    assert calls[-1][:2] == (calls[0][1], calls[0][1])
    assert engine._pipeline.free_noise_enabled
    assert engine._pipeline._free_noise_context_length == adapter.context_length
    assert engine._pipeline.unet.config.motion_max_seq_length == adapter.max_frames
    assert engine._pipeline.unet.config.use_motion_mid_block == (adapter.id not in WITHOUT_MID_BLOCK)
    assert engine._pipeline.do_classifier_free_guidance == (guidance > 1)
    wanted = adapter.scheduler or BASES[0].scheduler
    assert type(engine._pipeline.scheduler).__name__ == wanted["class"]
    assert all(engine._pipeline.scheduler.config[name] == value for name, value in wanted.items() if name != "class")
    if weights:
        assert not np.array_equal(clip, make(engine, 24, min(adapter.steps or 2, 4), guidance))
    assert make(engine, 8, 1, guidance).shape == (8, 32, 32, 3)
    assert not engine._pipeline.free_noise_enabled


@pytest.fixture(scope="module")
def plain(home):
    """Return an adapter's clip without a LoRA, generated once per module."""

    @functools.cache
    def clip(adapter_id):
        engine = engine_for(BASES[0], CATALOGUE.adapters[adapter_id], home)
        return make(engine, 2, 2, 1.0)  # a single step would be at t = 0, where the network has no influence

    return clip


@pytest.mark.parametrize("lora", every(4, CAMERA), ids=lambda lora: lora.id)
def test_every_camera_motion_moves_every_adapter_it_names(lora, home, plain):
    engine = engine_for(BASES[0], CATALOGUE.adapters[lora.adapters[0]], home)
    without = plain(lora.adapters[0])
    assert not np.array_equal(without, make(engine, 2, 2, 1.0, loras=[(lora.weights_path(home), lora.default_weight)]))


@pytest.mark.parametrize(
    "adapter", [ADAPTERS[0], *(a for a in ADAPTERS if a.id in WITHOUT_MID_BLOCK)], ids=lambda a: a.id
)
@pytest.mark.parametrize("rung", every(4, LADDER), ids=lambda rung: rung.name)
def test_every_memory_mode_runs_long_clips(rung, adapter, home):
    engine = engine_for(BASES[0], adapter, home, memory_mode=rung.name, inexact="early")
    assert make(engine, 17, 1, 7.5).shape == (17, 32, 32, 3)
    wrapped = [name for name, module in engine._pipeline.unet.named_modules() if "Split" in type(module).__name__]
    assert bool(wrapped) == rung.split
    assert engine._pipeline.vae.use_tiling == rung.tile_vae


def test_a_prompt_is_read_beyond_what_clip_reads_at_once(home, caplog):
    engine = engine_for(BASES[0], ADAPTERS[0], home)
    short, long = (make(engine, 1, 2, 30.0, prompt="heart " * 75 + end) for end in ("", "circle"))
    assert not np.array_equal(short, long)
    assert "are cut" not in caplog.text


def test_the_configuration_of_a_bare_adapter_is_the_librarys_own():
    from diffusers import MotionAdapter

    from workers.engines.animatediff.motion import motion_adapter_config

    with torch.device("meta"):
        adapter = MotionAdapter()
    found = motion_adapter_config(adapter.state_dict())
    assert found == {name: adapter.config[name] for name in found}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["animatediff-v1-5-2", "animatediff-lightning-2step"])
def test_the_real_widths_load_and_run(adapter, tmp_path, record_property):
    """Stable Diffusion 1.5 and a motion adapter at full size, half precision on disk, 16 frames of 64x64."""
    adapter = CATALOGUE.adapters[adapter]
    write_base(BASES[0], tmp_path, models.FULL)
    write_adapter(adapter, tmp_path, models.FULL)
    loras = [(write_lora(lora, tmp_path, models.FULL), 1.0) for lora in CATALOGUE.loras_for(adapter)[:1]]
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    engine = engine_for(BASES[0], adapter, tmp_path)
    started, working = time.monotonic(), time.process_time()
    engine.load()
    loaded = time.monotonic()
    parameters = sum(tensor.numel() for tensor in engine._pipeline.unet.parameters())
    clip = engine.generate("a red heart", "", 64, 64, 17, 1, 7.5, 1, lambda *_: None, loras=loras)
    made = time.monotonic()
    assert clip.shape == (17, 64, 64, 3)
    assert clip.std() > 1
    assert 1.26e9 < parameters < 1.36e9  # 860 million of Stable Diffusion 1.5 and 450 million of motion
    assert engine.memory_bytes > 5e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak < 12e9
    figures = {"disk GB": size / 1e9, "load s": loaded - started, "clip s": made - loaded, "peak GB": peak / 1e9}
    figures["processor s"] = time.process_time() - working
    record_property("figures", figures)
    print({name: round(value, 2) for name, value in figures.items()}, f"{parameters / 1e6:.0f} M parameters")
