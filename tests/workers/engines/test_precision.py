"""Half precision that goes wrong on a card is given up. The small models here overflow in it as real ones do."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from workers.engines.diffusion.decoding import decode
from workers.engines.precision import NotFinite, Precisions

pytestmark = pytest.mark.thorough


def make(engine, on_step=lambda *_: None, **options):
    return engine.generate("a red heart", "", 64, 48, 2, 1, 5.0, 7, on_step, **options)


def changed(small, tmp_path, part, change):
    """Return a copy of the small base model in which `change(weights)` changed a part."""
    base = shutil.copytree(small.base, tmp_path / "base")
    (file,) = (base / part).glob("*.safetensors")
    weights = load_file(file)
    change(weights)
    save_file(weights, file, {"format": "pt"})
    return base


def overflowing(name):
    """Return a change that float16 cannot hold and a normalization later takes back."""

    def change(weights):
        weights[f"{name}.weight"] *= 2e5
        weights[f"{name}.bias"] *= 2e5

    return change


@pytest.mark.parametrize(
    ("part", "layer", "remembered"),
    [("unet", "conv_in", "network"), ("vae", "decoder.conv_in", "decoder")],
)
def test_a_part_that_overflows_goes_on_in_full_precision_and_that_is_remembered(
    small, tmp_path, new_engine, part, layer, remembered, caplog
):
    base, found = changed(small, tmp_path, part, overflowing(layer)), Precisions()
    expected = make(new_engine(base)).astype(int)
    engine = new_engine(base, precision="float16", found=found)
    clip = make(engine)
    assert clip.any()
    assert abs(clip.astype(int) - expected).mean() < 3  # the other part stays in half precision
    assert "going on in float32" in caplog.text
    other = {"network": "decoder", "decoder": "network"}[remembered]
    assert {name: found.get("cpu", "Small model", name, "float16") for name in (remembered, other)} == {
        remembered: "float32",
        other: "float16",
    }
    caplog.clear()
    make(new_engine(base, precision="float16", found=found))
    assert "going on" not in caplog.text


def test_loras_go_with_the_network_into_the_wider_precision(small, tmp_path, new_engine):
    engine = new_engine(changed(small, tmp_path, "unet", overflowing("conv_in")), precision="float16",
                        found=Precisions(), loras=[(small.motion_lora, 1.0)])  # fmt: skip
    assert make(engine).any()
    assert {weight.dtype for weight in engine._pipeline.unet.parameters()} == {torch.float32}


def test_what_a_clip_with_strong_loras_needs_says_nothing_about_the_card(small, tmp_path, new_engine):
    """Or one user's styles at full strength would slow down everybody's clips for good."""
    found = Precisions()
    engine = new_engine(changed(small, tmp_path, "unet", overflowing("conv_in")), precision="float16", found=found)
    assert make(engine, loras=[(small.motion_lora, 1.0), (small.spatial_lora, -0.5)]).any()
    assert found.get("cpu", "Small model", "network", "float16") == "float16"
    assert engine._used["network"] == "float16"
    assert make(engine).any()
    assert found.get("cpu", "Small model", "network", "float16") == "float32"


def test_a_decoder_that_overflows_costs_no_second_denoising(small, tmp_path, new_engine):
    engine = new_engine(changed(small, tmp_path, "vae", overflowing("decoder.conv_in")), precision="float16",
                        found=Precisions())  # fmt: skip
    calls = []
    make(engine, lambda done, *_: calls.append(done))
    assert calls.count(0) == 1


def test_latents_that_are_no_numbers_after_the_last_step_are_the_networks_fault(new_engine, monkeypatch):
    """Its estimate of the clean ones may still be finite. A decoder in any precision could make nothing of them."""
    from diffusers import DDIMScheduler

    step = DDIMScheduler.step

    def overflowing(self, output, timestep, sample, *args, **kwargs):
        made = step(self, output, timestep, sample, *args, **kwargs)
        if output.dtype == torch.float16 and timestep == self.timesteps[-1]:
            made.prev_sample.fill_(torch.inf)
            made.pred_original_sample = made.pred_original_sample.nan_to_num().clone()
        return made

    monkeypatch.setattr(DDIMScheduler, "step", overflowing)
    engine, calls = new_engine(precision="float16", found=Precisions()), []
    clip = make(engine, lambda done, *_: calls.append(done), scheduler={"class": "DDIMScheduler"})
    assert clip.any()
    assert engine._used == {"network": "float32", "decoder": "float16"}
    assert calls.count(0) == 2


def test_a_model_that_is_broken_in_full_precision_too_is_an_error_and_says_nothing_about_the_card(
    small, tmp_path, new_engine
):
    found = Precisions()

    def change(weights):
        weights["conv_out.bias"][:] = torch.nan

    engine = new_engine(changed(small, tmp_path, "unet", change), precision="float16", found=found)
    with pytest.raises(NotFinite):
        make(engine)
    assert found.get("cpu", "Small model", "network", "float16") == "float16"
    assert engine._used["network"] == "float16", "the next clip would be slower"


def test_black_frames_are_decoded_again_and_believed_if_they_stay_black(small, tmp_path, new_engine):
    def blacken(weights):
        weights["decoder.conv_out.bias"] -= 1e3

    found = Precisions()
    engine = new_engine(changed(small, tmp_path, "vae", blacken), precision="float16", found=found)
    assert not make(engine).any()
    assert engine._used["decoder"] == "float16"
    assert found.get("cpu", "Small model", "decoder", "float16") == "float16"


def test_black_frames_that_full_precision_does_not_give_are_replaced(new_engine, monkeypatch):
    """As on a GTX 1660, whose half precision gives black."""
    from workers.engines.animatediff import engine as animatediff

    def blackening(vae, *args):
        frames = decode(vae, *args)
        return np.zeros_like(frames) if vae.dtype == torch.float16 else frames

    monkeypatch.setattr(animatediff, "decode", blackening)
    found = Precisions()
    assert make(new_engine(precision="float16", found=found)).any()
    assert found.get("cpu", "Small model", "decoder", "float16") == "float32"


def test_what_was_found_outlives_the_process(tmp_path):
    file = tmp_path / "precision.json"
    first, second = Precisions(), Precisions()
    first.keep_in(file)
    first.remember("GTX 1660", "Small model", "network", "float32")
    second.keep_in(file)
    assert second.get("GTX 1660", "Small model", "network", "float16") == "float32"
    assert second.get("RTX 3060", "Small model", "network", "float16") == "float16"
    second.remember("GTX 1660", "Upscaler", "upscaling", "float32")
    first.remember("GTX 1660", "Small model", "decoder", "float32")
    assert len(json.loads(file.read_text())) == 3, "one forgot what the other had found"


@pytest.mark.parametrize("content", ["", "[]", "{", json.dumps({"a | b | c": "float8"})])
def test_a_file_that_is_damaged_counts_as_empty(tmp_path, content):
    file = tmp_path / "precision.json"
    file.write_text(content)
    found = Precisions()
    found.keep_in(file)
    assert found.get("a", "b", "c", "float16") == "float16"
