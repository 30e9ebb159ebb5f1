import json
import shutil

import numpy as np
import pytest
import torch

from generation.catalogue.diffusers_names import ANIMATEDIFF_SCHEDULERS
from generation.domain.errors import Cancelled, RenderError
from tests import full_size_models as models
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.animatediff.motion import join_motion, load_motion_adapter
from workers.engines.files.schedulers import make_scheduler
from workers.engines.files.source import Source
from workers.engines.files.weights import load_model


def silent(done, total, preview):
    """Ignore progress."""


def make(engine, frames=3, size=(64, 48), steps=2, seed=7, on_step=silent, prompt="a red heart", **options):
    negative, guidance = options.pop("negative", ""), options.pop("guidance", 5.0)
    width, height = size
    return engine.generate(prompt, negative, width, height, frames, steps, guidance, seed, on_step, **options)


@pytest.fixture(scope="module")
def engine(small):
    return AnimateDiffEngine(small.base, small.adapter, device="cpu")


def native_pipeline(small):
    """Build the same pipeline the diffusers way."""
    from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter

    adapter = MotionAdapter.from_pretrained(small.adapter)
    pipeline = AnimateDiffPipeline.from_pretrained(small.base, motion_adapter=adapter, feature_extractor=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(False)  # as in every engine; the last bit depends on it
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def native_frames(pipeline, frames):
    latents = pipeline(
        "a red heart", frames, 48, 64, 2, 5.0, "", generator=torch.Generator().manual_seed(7), output_type="latent"
    ).frames
    with torch.no_grad():
        pixels = torch.cat(
            [pipeline.vae.decode(part / pipeline.vae.config.scaling_factor).sample
             for part in latents[0].movedim(1, 0).split(4)]
        )  # fmt: skip
    return ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1).numpy()


def test_the_same_seed_gives_the_same_frames_bit_for_bit(engine, new_engine):
    first = make(engine)
    assert first.shape == (3, 48, 64, 3)
    assert first.dtype == np.uint8
    assert first.std() > 5
    assert np.array_equal(first, make(engine))
    assert np.array_equal(first, make(new_engine()))
    assert not np.array_equal(first, make(engine, seed=8))
    assert not np.array_equal(first, make(engine, prompt="the quiet sea"))


def test_the_frames_are_those_that_diffusers_makes(engine, small):
    pipeline = native_pipeline(small)
    assert np.array_equal(make(engine, scheduler={"class": "DDIMScheduler"}), native_frames(pipeline, 3))
    pipeline.enable_free_noise(context_length=16, context_stride=4)
    assert np.array_equal(make(engine, frames=19, scheduler={"class": "DDIMScheduler"}), native_frames(pipeline, 19))


@pytest.mark.thorough
def test_joining_base_and_adapter_gives_the_network_that_diffusers_builds(small):
    from diffusers import UNet2DConditionModel, UNetMotionModel

    unet = load_model(UNet2DConditionModel, small.base / "unet", torch.float32, Source("small"))
    adapter = load_motion_adapter(small.adapter, torch.float32, Source("small"))
    expected = UNetMotionModel.from_unet2d(unet, adapter)
    joined = join_motion(unet, adapter)
    assert dict(joined.config) == dict(expected.config)
    assert joined.state_dict().keys() == expected.state_dict().keys()
    assert all(torch.equal(joined.state_dict()[name], value) for name, value in expected.state_dict().items())


@pytest.mark.parametrize(("size", "frames"), [((72, 40), 2), ((40, 104), 1), ((8, 8), 2)])
def test_sizes_whose_latents_cannot_be_halved_come_out_exactly(engine, size, frames):
    assert make(engine, frames, size, steps=1).shape == (frames, size[1], size[0], 3)


@pytest.mark.parametrize(
    ("frames", "size", "steps"), [(3, (60, 48), 2), (3, (64, 0), 2), (0, (64, 48), 2), (3, (64, 48), 0)]
)
def test_what_cannot_be_made_is_refused(engine, frames, size, steps):
    with pytest.raises(ValueError, match=r"multiples of 8|cannot be made"):
        make(engine, frames, size, steps)


def test_every_step_and_batch_is_reported_and_every_step_has_another_preview(engine):
    calls = []

    def on_step(done, total, preview):
        calls.append((done, total, preview and preview()))

    make(engine, frames=9, on_step=on_step, scheduler={"class": "DDIMScheduler"})
    assert [call[0] for call in calls] == [0, 1, 2, 3, 4, 5]  # two steps, then nine frames in batches of four
    assert {call[1] for call in calls} == {5}
    assert calls[0][2] is None
    previews = [call[2] for call in calls[1:3]]
    assert all(preview.dtype == np.uint8 and preview.shape == (9, 48, 64, 3) for preview in previews)
    assert not np.array_equal(*previews)
    assert [call[2] for call in calls[3:]] == [None] * 3


@pytest.fixture(scope="module")
def uninterrupted(engine):
    return make(engine, frames=6, scheduler={"class": "DDIMScheduler"})


@pytest.mark.parametrize("when", [0, 1, 2, 3])
def test_cancelling_stops_at_once_and_leaves_the_engine_as_it_was(engine, uninterrupted, when):
    calls = []

    def cancel(done, total, preview):
        calls.append(done)
        if done == when:
            raise Cancelled

    with pytest.raises(Cancelled):
        make(engine, frames=6, on_step=cancel, scheduler={"class": "DDIMScheduler"})
    assert calls == list(range(when + 1))
    assert np.array_equal(uninterrupted, make(engine, frames=6, scheduler={"class": "DDIMScheduler"}))


def test_nothing_runs_between_the_cancelling_step_and_the_end(engine, monkeypatch):
    make(engine, steps=1)
    unet, vae = engine._pipeline.unet, engine._pipeline.vae
    work = []
    for name, module, method in (("unet", unet, "forward"), ("vae", vae, "decode")):
        original = getattr(module, method)

        def counted(*args, _original=original, _name=name, **kwargs):
            work.append(_name)
            return _original(*args, **kwargs)

        monkeypatch.setattr(module, method, counted)

    def cancel(done, total, preview):
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        make(engine, steps=4, on_step=cancel)
    assert work == ["unet"]


@pytest.mark.thorough
def test_loras_and_free_noise_on_a_warm_engine_give_what_a_fresh_one_gives(small, engine, new_engine):
    motion, both = [(small.motion_lora, 0.8)], [(small.motion_lora.parent, 0.8), (small.spatial_lora, 0.5)]
    wishes = [(3, []), (18, both), (3, motion), (18, []), (3, both), (3, [])]
    clips = [make(engine, frames, steps=1, guidance=1.0, loras=loras) for frames, loras in wishes]
    for index in (1, 2, 3):
        frames, loras = wishes[index]
        assert np.array_equal(clips[index], make(new_engine(loras=loras), frames, steps=1, guidance=1.0))
    assert np.array_equal(clips[0], clips[5])
    for first, second in ((0, 2), (2, 4), (1, 3)):
        assert not np.array_equal(clips[first], clips[second])


def test_a_lora_acts_by_its_weight(small, engine):
    without = make(engine, steps=1).astype(int)
    assert np.array_equal(without, make(engine, steps=1, loras=[(small.motion_lora, 0.0)]))
    weak, strong = (make(engine, steps=1, loras=[(small.motion_lora, weight)]) for weight in (0.1, 1.0))
    assert 0 < abs(weak - without).mean() < abs(strong - without).mean()


def test_clips_within_the_window_do_without_free_noise(small, new_engine):
    engine = new_engine(context_length=24, context_stride=6)
    engine.load()
    assert engine._window(25) is None
    assert engine._window(26) == (24, 6)
    wide = new_engine(context_length=64)
    wide.load()
    assert wide._window(33) == (32, 4)  # the limit of the adapter's positional encoding


def test_a_frame_more_than_the_window_costs_a_frame_and_not_a_second_window(new_engine):
    from torch.utils.flop_counter import FlopCounterMode

    engine = new_engine(context_length=16, context_stride=4)
    make(engine, 1, (16, 16), steps=1)  # the first clip also fits the preview

    def cost(frames):
        with FlopCounterMode(display=False) as counter:
            make(engine, frames, (16, 16), steps=1, guidance=1.0)
        return counter.get_total_flops()

    assert cost(17) < 1.07 * cost(16)  # 17 / 16 is 1.0625
    assert [engine._window(frames) for frames in (16, 17, 18)] == [None, None, (16, 4)]


def test_without_guidance_the_network_runs_once_a_frame_and_the_negative_prompt_is_nothing(engine, monkeypatch):
    sizes = []
    engine.load()
    network = type(engine._pipeline.unet)
    original = network.forward

    def counted(self, sample, *args, **kwargs):
        sizes.append(len(sample))
        return original(self, sample, *args, **kwargs)

    monkeypatch.setattr(network, "forward", counted)
    plain = make(engine, steps=1, guidance=1.0)
    assert np.array_equal(plain, make(engine, steps=1, guidance=1.0, negative="the sea"))
    assert set(sizes) == {1}
    guided = make(engine, steps=1, guidance=4.0)
    assert not np.array_equal(guided, make(engine, steps=1, guidance=4.0, negative="the sea"))
    assert sizes[-1] == 2


def test_tokens_are_counted_without_loading_the_model(new_engine):
    engine = new_engine()
    assert engine.count_tokens("") == 2
    assert engine.count_tokens("a red heart") == 5
    assert engine.count_tokens("a " * 100) == 102
    assert engine.max_prompt_tokens == 77
    assert engine.memory_bytes == 0


@pytest.mark.parametrize("name", ANIMATEDIFF_SCHEDULERS)
def test_every_scheduler_denoises_reproducibly_and_shows_what_it_sees(engine, name):
    shown = []
    options = {"scheduler": {"class": name, "beta_schedule": "linear"}, "steps": 3}
    clip = make(engine, on_step=lambda done, total, preview: shown.append(preview()) if preview else None, **options)
    assert np.array_equal(clip, make(engine, **options)), "whether a preview is computed or not"
    assert len(shown) >= 3
    assert not np.array_equal(shown[0], shown[-1])


def test_the_scheduler_is_the_bases_own_with_what_the_entry_changes(small, tmp_path):
    (tmp_path / "scheduler").mkdir()
    own = {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(own))
    kept = make_scheduler(None, tmp_path, Source("tiny"))
    assert (kept.config.prediction_type, kept.config.rescale_betas_zero_snr) == ("v_prediction", True)
    changed = make_scheduler({"class": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}, tmp_path, Source(""))
    assert type(changed).__name__ == "EulerDiscreteScheduler"
    assert (changed.config.prediction_type, changed.config.timestep_spacing) == ("v_prediction", "trailing")


# Found in published checkpoints, with what is peculiar to them; none of them is meant for AnimateDiff.
FOREIGN_SCHEDULERS = {
    "DEISMultistepScheduler": {"algorithm_type": "deis", "solver_type": "logrho", "solver_order": 2},
    "DPMSolverSDEScheduler": {"use_karras_sigmas": True, "noise_sampler_seed": None},
    "DPMSolverSinglestepScheduler": {"algorithm_type": "dpmsolver++", "solver_type": "heun", "solver_order": 3},
    "HeunDiscreteScheduler": {"use_karras_sigmas": True, "clip_sample_range": 1.0},
    "KDPM2AncestralDiscreteScheduler": {"timestep_spacing": "linspace"},
    "KDPM2DiscreteScheduler": {"timestep_spacing": "linspace"},
    "LMSDiscreteScheduler": {"use_exponential_sigmas": True},
}


def base_with_scheduler(small, folder, name):
    """Return a copy of the small base (by links) that was saved with scheduler `name`."""
    folder.mkdir()
    for part in small.base.iterdir():
        if part.name != "scheduler":
            (folder / part.name).symlink_to(part)
    (folder / "scheduler").mkdir()
    trained = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    config = {"_class_name": name, "prediction_type": "v_prediction", **trained, **FOREIGN_SCHEDULERS[name]}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", FOREIGN_SCHEDULERS)
def test_a_base_saved_with_a_scheduler_that_is_not_allowed_gets_ours(small, tmp_path, name):
    base = base_with_scheduler(small, tmp_path / "base", name)
    ours = make_scheduler(None, base, Source("foreign"))
    assert type(ours).__name__ == "DDIMScheduler"
    assert (ours.config.beta_schedule, ours.config.steps_offset) == ("linear", 1)
    assert ours.config.prediction_type == "v_prediction"  # that is the network's, whatever samples it
    for allowed in ANIMATEDIFF_SCHEDULERS:
        scheduler = make_scheduler({"class": allowed}, base, Source("foreign"))
        scheduler.set_timesteps(4)
        assert scheduler.config.beta_schedule == "scaled_linear"


def test_a_base_saved_with_a_foreign_scheduler_renders(small, new_engine, tmp_path):
    base = base_with_scheduler(small, tmp_path / "base", "HeunDiscreteScheduler")
    assert make(new_engine(base), 1, (16, 16), steps=1).shape == (1, 16, 16, 3)
    assert make(new_engine(base, scheduler={"class": "DDIMScheduler"}), 1, (16, 16), steps=1).std() > 5


@pytest.mark.parametrize(
    "entry", [{"class": "HeunScheduler"}, {"class": "os.system"}, {"class": ANIMATEDIFF_SCHEDULERS[0], "x": 1}]
)
def test_a_scheduler_that_is_not_allowed_is_refused(small, entry):
    with pytest.raises(ValueError, match=r"is none of|has no field x"):
        make_scheduler(entry, small.base, Source("small"))


def test_numbers_that_are_none_end_in_an_error_and_not_in_black_frames(new_engine):
    engine = new_engine()
    engine.load()
    with torch.no_grad():
        engine._pipeline.unet.conv_out.bias.fill_(torch.nan)
    with pytest.raises(FloatingPointError):
        make(engine, steps=1)


def test_the_adapter_may_lie_in_the_bases_folder(small, tmp_path, engine):
    base = shutil.copytree(small.base, tmp_path / "base")
    shutil.copytree(small.adapter, base / "motion_adapter")
    assert np.array_equal(make(AnimateDiffEngine(base, device="cpu"), steps=1), make(engine, steps=1))


def test_weights_are_counted_and_given_back(new_engine):
    engine = new_engine()
    engine.load()
    weights = sum(tensor.numel() for tensor in engine._pipeline.unet.state_dict().values())
    assert 4 * weights < engine.memory_bytes < 4 * weights * 3
    engine.release()
    assert engine.memory_bytes == 0
    assert make(engine, steps=1).shape == (3, 48, 64, 3)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def without_a_weight(path):
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    weights.pop(sorted(weights)[0])
    save_file(weights, path, metadata={"format": "pt"})


def of_another_shape(path):
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    name = sorted(weights)[0]
    save_file({**weights, name: torch.zeros(3)}, path, metadata={"format": "pt"})


def of_other_text(path):
    path.write_text("<!doctype html>")


BASE_FILES = [
    "text_encoder/model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "motion_adapter/diffusion_pytorch_model.safetensors",
]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, without_a_weight) for name in BASE_FILES),
        *((name, cut_short) for name in BASE_FILES[:2]),
        *((name, of_another_shape) for name in BASE_FILES[:3]),
    ],
)
def test_damaged_weights_are_reported_with_the_models_name(small, tmp_path, name, damage):
    base = shutil.copytree(small.base, tmp_path / "base")
    shutil.copytree(small.adapter, base / "motion_adapter")
    damage(base / name)
    with pytest.raises(RenderError) as caught:
        AnimateDiffEngine(base, label="Small model", device="cpu").load()
    assert caught.value.id == "model-corrupt"
    assert caught.value.context["model"] == "Small model"
    assert caught.value.context["file"] in (name.split("/")[1], "motion_adapter")


@pytest.mark.parametrize("name", ["unet/config.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json"])
def test_a_damaged_configuration_is_reported(small, tmp_path, name):
    base = shutil.copytree(small.base, tmp_path / "base")
    of_other_text(base / name)
    with pytest.raises(RenderError) as caught:
        AnimateDiffEngine(base, small.adapter, label="Small model", device="cpu").load()
    assert (caught.value.id, caught.value.context["model"]) == ("model-corrupt", "Small model")


@pytest.mark.parametrize("name", [*BASE_FILES[:3], "unet/config.json", "tokenizer/merges.txt", "vae", ""])
def test_missing_files_are_reported_with_the_command_that_fetches_them(small, tmp_path, name):
    base = shutil.copytree(small.base, tmp_path / "base")
    target = base / name
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(RenderError) as caught:
        AnimateDiffEngine(base, small.adapter, label="Small model", command="fetch it", device="cpu").load()
    assert caught.value.id == "model-missing"
    assert (caught.value.context["model"], caught.value.context["command"]) == ("Small model", "fetch it")


def test_an_adapter_of_another_family_is_reported(small, tmp_path, new_engine):
    wide = models.Widths(unet=(64, 64, 64, 64), vae=(32,) * 4, text=32, text_layers=1, text_heads=4)
    adapter = models.write_adapter(tmp_path / "wide", wide)
    with pytest.raises(RenderError) as caught:
        new_engine(adapter=adapter).load()
    assert (caught.value.id, caught.value.context["file"]) == ("model-corrupt", "wide")


@pytest.mark.parametrize(("damage", "id"), [(None, "model-missing"), (cut_short, "model-corrupt")])
def test_a_lora_that_is_missing_or_damaged_is_reported_and_the_engine_goes_on(small, tmp_path, engine, damage, id):
    path = tmp_path / "lora.safetensors"
    if damage:
        shutil.copy(small.motion_lora, path)
        damage(path)
    with pytest.raises(RenderError) as caught:
        make(engine, steps=1, loras=[(small.spatial_lora, 1.0), (path, 1.0)])
    assert (caught.value.id, caught.value.context["file"]) == (id, "lora.safetensors")
    assert make(engine, steps=1, loras=[(small.motion_lora, 1.0)]).shape == (3, 48, 64, 3)
