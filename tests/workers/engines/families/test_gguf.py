"""Transformers from GGUF files: the clip is that of diffusers' own call, in every memory mode, and with LoRAs."""

import shutil
import struct
import sys
import weakref

import numpy as np
import pytest

from generation.catalogue import gguf_file
from generation.domain.errors import Paused, RenderError
from generation.domain.plan import FrameRule
from tests import small_families
from tests.small_gguf import own_name, own_name_of_ltx, weights_of, write_gguf, write_transformer
from tests.workers.engines.families.conftest import FAMILIES, Family
from tests.workers.engines.families.test_families import make, plain_call
from tests.workers.engines.families.test_loras import write_lora
from tests.workers.engines.families.test_memory_modes import begin_in, psnr
from workers.engines.base import Lora
from workers.engines.diffusion import held_weights
from workers.engines.diffusion.parts import weight_bytes

RULE = FrameRule(multiple=4, offset=1, side_multiple=16)
# Rows of a length that the types ask for: multiples of 32, and of 256.
WAN = Family("wan-of-32", small_families.write_wan, "WanPipeline", RULE, {"head_width": 16})
WIDE = Family("wan-of-256", small_families.write_wan, "WanPipeline", RULE, {"head_width": 128, "width": 256})
LTX = next(family for family in FAMILIES if family.name == "ltx")


@pytest.fixture
def folder(small_folder, tmp_path):
    """Return a copy of the small model without its transformer's weights, as an entry of configurations lists it."""
    return without_transformer(small_folder(WAN), tmp_path)


def without_transformer(original, tmp_path):
    copy = shutil.copytree(original, tmp_path / "configuration")
    (copy / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    return copy


def open_file(folder, file, **options):
    from workers.engines.families.engine import FamilyEngine
    from workers.engines.ladder import Ladder

    defaults = {"rule": RULE, "fps": 16, "max_tokens": 16, "label": "Small", "device": "cpu", "ladder": Ladder()}
    return FamilyEngine(folder, weights=file, **{"pipeline": "WanPipeline", **defaults, **options})


def of_diffusers(file, folder):
    """Return the transformer as diffusers' documentation loads it."""
    import torch
    from diffusers import GGUFQuantizationConfig, WanTransformer3DModel

    return WanTransformer3DModel.from_single_file(
        str(file),
        config=str(folder / "transformer"),
        quantization_config=GGUFQuantizationConfig(compute_dtype=torch.float32),
        dtype=torch.float32,
        local_files_only=True,
    )


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "F16", "BF16"])
def test_the_clip_is_that_of_diffusers_with_the_same_file(small_folder, folder, tmp_path, kind):
    whole = small_folder(WAN)
    file = write_transformer(tmp_path / "wan.gguf", whole, kind)
    made = make(open_file(folder, file), WAN)
    assert np.array_equal(made, plain_call(whole, WAN, transformer=of_diffusers(file, folder)))
    assert made.std() > 1, "random weights draw something"


@pytest.mark.parametrize("kind", ["Q4_K", "Q6_K"])
def test_so_it_is_with_the_types_of_most_files(small_folder, tmp_path, kind):
    whole = small_folder(WIDE)
    folder, file = without_transformer(whole, tmp_path), write_transformer(tmp_path / "wan.gguf", whole, kind)
    assert np.array_equal(
        make(open_file(folder, file), WIDE), plain_call(whole, WIDE, transformer=of_diffusers(file, folder))
    )


def test_so_it_is_with_ltx_video(small_folder, tmp_path):
    import torch
    from diffusers import GGUFQuantizationConfig, LTXVideoTransformer3DModel

    whole = small_folder(LTX)
    file = write_transformer(tmp_path / "ltx.gguf", whole, "Q8_0", architecture="ltxv", renamed=own_name_of_ltx)
    engine = open_file(without_transformer(whole, tmp_path), file, pipeline="LTXPipeline", rule=LTX.rule, fps=24)
    transformer = LTXVideoTransformer3DModel.from_single_file(
        str(file),
        config=str(whole / "transformer"),
        quantization_config=GGUFQuantizationConfig(compute_dtype=torch.float32),
        dtype=torch.float32,
        local_files_only=True,
    )
    assert np.array_equal(make(engine, LTX), plain_call(whole, LTX, transformer=transformer))


def test_more_bits_are_nearer_to_the_whole_network(small_folder, folder, tmp_path, new_engine):
    whole = make(new_engine(WAN), WAN)
    nearness = {}
    for kind in ("F16", "Q8_0", "Q4_0"):
        file = write_transformer(tmp_path / f"{kind}.gguf", small_folder(WAN), kind)
        nearness[kind] = psnr(make(open_file(folder, file), WAN), whole)
    assert nearness["F16"] > nearness["Q8_0"] > nearness["Q4_0"]
    assert (nearness["Q8_0"], nearness["Q4_0"]) > (70, 45), "measured: 84 and 55 dB"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_in_half_precision_as_on_a_card_the_clip_is_nearly_the_same(small_folder, folder, tmp_path, precision):
    file = write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0")
    whole = make(open_file(folder, file), WAN)
    engine = open_file(folder, file, precision=precision)
    assert 30 < psnr(make(engine, WAN), whole) < np.inf
    kinds = {str(each.dtype) for each in engine._pipeline.transformer.parameters()}
    assert kinds == {"torch.uint8", f"torch.{precision}", "torch.float32"}, "packed, and norms as diffusers keeps them"


def test_names_of_diffusers_and_of_other_programs_are_read_alike(small_folder, folder, tmp_path):
    clips = []
    for number, renamed in enumerate((own_name, str, lambda name: f"model.diffusion_model.{own_name(name)}")):
        file = write_transformer(tmp_path / f"{number}.gguf", small_folder(WAN), "Q8_0", renamed=renamed)
        clips.append(make(open_file(folder, file), WAN, steps=1))
    assert np.array_equal(clips[0], clips[1])
    assert np.array_equal(clips[0], clips[2])


def test_what_only_linear_layers_compute_with_is_unpacked_elsewhere(small_folder, folder, tmp_path):
    """Some files have kernels, norms and biases in BF16; diffusers would take their bytes for numbers."""
    whole = small_folder(WAN)
    weights = {own_name(name): (weight, "BF16") for name, weight in weights_of(whole).items()}
    packed = make(open_file(folder, write_gguf(tmp_path / "all.gguf", weights)), WAN)
    assert psnr(packed, make(open_file(folder, write_transformer(tmp_path / "f.gguf", whole, "F16")), WAN)) > 40


def test_packed_weights_take_few_bytes_in_every_mode_and_blocks_come_one_by_one(small_folder, tmp_path):
    whole = small_folder(WIDE)
    folder, file = without_transformer(whole, tmp_path), write_transformer(tmp_path / "wan.gguf", whole, "Q4_0")
    engine = open_file(folder, file, inexact="early")
    assert [rung.name for rung in engine._rungs] == ["full", "offload", "blocks", "tiles"], "4 bits are never made 8"
    full = make(engine, WIDE)
    network = engine._pipeline.transformer
    assert weight_bytes(network) < sum(weight.nbytes for weight in weights_of(whole).values()) / 3
    assert engine._least_bytes(engine._rungs[0]) == engine.memory_bytes
    begin_in(engine, "blocks")
    assert np.array_equal(make(engine, WIDE), full)
    assert engine._rung.name == "blocks"
    assert 0 < held_weights.saved_bytes(network) < weight_bytes(network)
    begin_in(engine, "full")
    assert np.array_equal(make(engine, WIDE), full)
    assert held_weights.saved_bytes(network) == 0


def test_packed_weights_know_their_type_wherever_they_are_moved(small_folder, folder, tmp_path):
    """Without it, their bytes would be taken for numbers. There is no card here, so they move to nowhere."""
    engine = open_file(folder, write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q4_0"))
    engine.load()
    network = engine._pipeline.transformer.to("meta")
    packed = [each for each in network.parameters() if hasattr(each, "quant_type")]
    assert len(packed) > 10
    assert {(each.device.type, each.quant_type.name) for each in packed} == {("meta", "Q4_0")}


def test_a_lora_changes_the_clip_as_a_whole_and_leaves_no_trace(small_folder, folder, tmp_path, new_engine):
    engine = open_file(folder, write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0"))
    plain = make(engine, WAN)
    path = write_lora(tmp_path / "ink.safetensors", engine._pipeline.transformer, ("attn1.to_q", "ffn.net.2"))
    loras = [Lora(path, 1.0, "Ink")]
    changed = make(engine, WAN, loras=loras)
    assert psnr(changed, make(new_engine(WAN), WAN, loras=loras)) > psnr(changed, plain) + 20, "as on whole weights"
    begin_in(engine, "blocks")
    assert np.array_equal(make(engine, WAN, loras=loras), changed)
    assert np.array_equal(make(engine, WAN), plain)


def test_a_lora_of_other_widths_is_refused(small_folder, folder, tmp_path, new_engine):
    other = new_engine(WIDE)
    other.load()
    path = write_lora(tmp_path / "ink.safetensors", other._pipeline.transformer, ("attn1.to_q",))
    engine = open_file(folder, write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0"))
    with pytest.raises(RenderError) as caught:
        make(engine, WAN, loras=[Lora(path, 1.0, "Ink")])
    assert caught.value.id == "lora-mismatch"


def test_our_types_are_those_that_diffusers_computes_with_in_their_sizes():
    import gguf
    from diffusers.quantizers.gguf.utils import SUPPORTED_GGUF_QUANT_TYPES

    known = {*SUPPORTED_GGUF_QUANT_TYPES, gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16}
    sizes = {int(kind): (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in known}
    assert dict(gguf_file.TYPES) == sizes


def test_a_file_is_looked_at_before_text_encoders_of_gigabytes_are_loaded(small_folder, folder, tmp_path):
    shutil.rmtree(folder / "text_encoder")
    assert refusal(folder, write_transformer(tmp_path / "wan.gguf", small_folder(WIDE), "Q8_0")).id == (
        "checkpoint-mismatch"
    )


def test_a_worker_without_the_package_blames_that_and_not_the_file(small_folder, folder, tmp_path, monkeypatch):
    file = write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0")
    monkeypatch.setitem(sys.modules, "gguf", None)  # as if it were not installed
    error = refusal(folder, file)
    assert error.id == "model-needs-package"
    assert "package gguf" in error.text


def test_a_clip_goes_on_after_a_pause(small_folder, folder, tmp_path):
    def pause(done, _total, _preview):
        if done == 2:
            raise Paused

    file = write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0")
    with pytest.raises(Paused) as paused:
        make(open_file(folder, file), WAN, on_step=pause)
    assert paused.value.checkpoint
    heard = []
    again = make(
        open_file(folder, file), WAN, on_step=lambda *said: heard.append(said[0]), checkpoint=paused.value.checkpoint
    )
    assert heard[0] == 2
    assert np.array_equal(again, make(open_file(folder, file), WAN))


def test_nothing_holds_the_weights_once_they_are_released(small_folder, folder, tmp_path):
    engine = open_file(folder, write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0"))
    make(engine, WAN, steps=1)
    pipeline = engine._pipeline
    held = [weakref.ref(part) for part in (pipeline, pipeline.vae, pipeline.transformer, pipeline.text_encoder)]
    del pipeline
    engine.release()
    assert [ref() for ref in held] == [None] * 4


def refusal(folder, file):
    with pytest.raises(RenderError) as caught:
        open_file(folder, file).load()
    return caught.value


def test_a_file_for_another_configuration_is_refused_with_a_weight_that_differs(small_folder, folder, tmp_path):
    error = refusal(folder, write_transformer(tmp_path / "wan.gguf", small_folder(WIDE), "Q8_0"))
    assert error.id == "checkpoint-mismatch"
    assert "blocks.0.attn1.norm_k.weight" in error.text


def test_a_file_that_lacks_a_weight_is_refused_by_name(small_folder, folder, tmp_path):
    file = write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0", left_out="proj_out.bias")
    error = refusal(folder, file)
    assert error.id == "checkpoint-mismatch"
    assert "proj_out.bias" in error.text


@pytest.mark.parametrize(
    ("architecture", "name"), [("llama", "llama"), ("hyvid", "HunyuanVideo"), ("ltxv", "LTX-Video")]
)
def test_a_file_of_another_network_is_refused_by_its_name(folder, tmp_path, architecture, name):
    file = write_gguf(
        tmp_path / "other.gguf", {"token_embd.weight": (np.zeros((4, 32), np.float32), "Q8_0")}, architecture
    )
    error = refusal(folder, file)
    assert error.id == "checkpoint-architecture"
    assert f"({name})" in error.text


def test_a_type_that_cannot_be_computed_with_is_refused_by_its_name(small_folder, folder, tmp_path):
    content = write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "F16", others="F32").read_bytes()
    end = content.index(b"blocks.0.ffn.0.weight") + len("blocks.0.ffn.0.weight") + 4 + 2 * 8
    (tmp_path / "wan.gguf").write_bytes(content[:end] + (16).to_bytes(4, "little") + content[end + 4 :])
    error = refusal(folder, tmp_path / "wan.gguf")
    assert error.id == "checkpoint-type"
    assert "(IQ2_XXS)" in error.text
    assert "Q4_K_M" in error.text


def test_one_of_several_parts_is_refused_as_that(folder, tmp_path):
    (tmp_path / "wan.gguf").write_bytes(struct.pack("<4sIQQQ11sIH", b"GGUF", 3, 0, 1, 11, b"split.count", 2, 3))
    error = refusal(folder, tmp_path / "wan.gguf")
    assert error.id == "checkpoint-split"
    assert "one of 3 parts" in error.text


@pytest.mark.parametrize(
    ("content", "id"),
    [
        (b"GGUF\x03\0\0\0" + bytes(8), "model-corrupt"),
        (b"not at all", "model-corrupt"),
        (b"PK\x03\x04" + bytes(99), "model-corrupt"),
        (b"<!doctype html>", "model-is-page"),
        (b"version https://git-lfs.github.com/spec/v1", "model-is-pointer"),
    ],
)
def test_what_is_no_gguf_file_is_refused_as_what_it_is(folder, tmp_path, content, id):
    (tmp_path / "wan.gguf").write_bytes(content)
    assert refusal(folder, tmp_path / "wan.gguf").id == id


def test_a_file_that_was_cut_off_is_refused_before_anything_is_loaded(small_folder, folder, tmp_path):
    content = write_transformer(tmp_path / "wan.gguf", small_folder(WAN), "Q8_0").read_bytes()
    (tmp_path / "wan.gguf").write_bytes(content[: len(content) // 2])
    error = refusal(folder, tmp_path / "wan.gguf")
    assert (error.id, error.__cause__.reason) == ("model-corrupt", "truncated")


def test_a_file_that_is_not_here_is_named(folder, tmp_path):
    error = refusal(folder, tmp_path / "wan.gguf")
    assert (error.id, error.context["file"]) == ("model-missing", "wan.gguf")
