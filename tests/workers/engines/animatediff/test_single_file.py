"""Single-file checkpoints and VAEs: the frames of the folder they were made from, or a refusal that says why."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.catalogue.entries import BUILTIN_MODELS
from generation.catalogue.load import load_catalogue
from generation.domain.errors import RenderError
from tests import full_size_models as models
from tests.single_files import write_single_file, write_vae_file
from workers.engines.animatediff.engine import AnimateDiffEngine

TINY, MOTION = BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"
CLIP = ("a red heart rising over the sea", "", 64, 64, 8, 2, 3.5, 7, lambda *_: None)

ENTRIES = """
[models.mine]
label = "Mine"
purpose = "For tests."
family = "tiny"
weights = "mine.safetensors"
configuration = "tiny"
vae = "my-vae"
licence = "MIT"
native_size = 64
min_size = 64
native_fps = 8
steps = 2
guidance = 3.5
scheduler = { class = "DDIMScheduler" }
adapter = "tiny-motion"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"

[vaes.my-vae]
label = "My VAE"
purpose = "For tests."
family = "tiny"
weights = "vae.safetensors"
configuration = "tiny"
licence = "MIT"
"""


@pytest.fixture(scope="module")
def expected():
    """Return what the model that ships makes of the clip."""
    return AnimateDiffEngine(TINY, MOTION, device="cpu").generate(*CLIP)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_single_file(tmp_path_factory.mktemp("single") / "world.safetensors", TINY, dtype=torch.float32)


def engine(weights, base=TINY, adapter=MOTION, **options):
    return AnimateDiffEngine(base, adapter, weights=weights, device="cpu", label="World", **options)


def refusal(weights, **options):
    with pytest.raises(RenderError) as caught:
        engine(weights, **options).load()
    return caught.value


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_single_file_makes_the_frames_of_its_folder_bit_for_bit(tmp_path, expected, dtype):
    path = write_single_file(tmp_path / "world.safetensors", TINY, dtype=dtype)
    assert {tensor.dtype for tensor in load_file(path).values()} == {dtype}
    np.testing.assert_array_equal(engine(path).generate(*CLIP), expected)


@pytest.mark.parametrize("vae", [TINY / "vae", "file", "file with prefix", "file under diffusers' names"])
def test_a_file_without_vae_works_with_another_one(tmp_path, expected, vae):
    path = write_single_file(tmp_path / "world.safetensors", TINY, vae=False)
    if vae == "file under diffusers' names":
        vae = TINY / "vae" / "diffusion_pytorch_model.safetensors"
    elif isinstance(vae, str):
        prefix = "first_stage_model." if "prefix" in vae else ""
        vae = write_vae_file(tmp_path / "vae.safetensors", TINY / "vae", prefix)
    np.testing.assert_array_equal(engine(path, vae=vae).generate(*CLIP), expected)


def test_another_vae_replaces_that_of_a_folder_too(tmp_path, expected):
    vae = write_vae_file(tmp_path / "vae.safetensors", TINY / "vae")
    np.testing.assert_array_equal(engine(None, vae=vae, vae_config=TINY / "vae").generate(*CLIP), expected)


def test_the_published_structure_is_converted_whole(small, tmp_path):
    """The model that ships has no attention in its VAE, and fewer blocks."""
    path = write_single_file(tmp_path / "small.safetensors", small.base)
    clip = ("a red heart", "", 64, 64, 2, 1, 7.5, 3, lambda *_: None)
    made = [engine(file, small.base, small.adapter).generate(*clip) for file in (None, path)]
    np.testing.assert_array_equal(*made)


def test_weights_of_training_are_left_alone(tmp_path, whole, expected):
    extra = {
        "model_ema.decay": torch.tensor(0.9999),
        "alphas_cumprod": torch.ones(1000),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(48)[None],
    }
    save_file(load_file(whole) | extra, tmp_path / "trained.safetensors")
    np.testing.assert_array_equal(engine(tmp_path / "trained.safetensors").generate(*CLIP), expected)


def test_entries_of_the_catalogue_lead_to_the_same_frames(tmp_path, expected):
    """A checkpoint without VAE, a VAE in one file, a motion adapter, and the configuration of the model that ships."""
    (tmp_path / "extra.toml").write_text(ENTRIES)
    write_single_file(tmp_path / "models" / "mine" / "mine.safetensors", TINY, dtype=torch.float16, vae=False)
    (tmp_path / "models" / "my-vae").mkdir()
    write_vae_file(tmp_path / "models" / "my-vae" / "vae.safetensors", TINY / "vae")
    catalogue = load_catalogue(tmp_path / "extra.toml")
    model, adapter = catalogue.models["mine"], catalogue.adapters["tiny-motion"]
    made = AnimateDiffEngine.from_entries(model, adapter, tmp_path, device="cpu")
    assert made.count_tokens(CLIP[0]) == AnimateDiffEngine(TINY, MOTION).count_tokens(CLIP[0])
    np.testing.assert_array_equal(made.generate(*CLIP), expected)


def test_a_file_without_vae_and_without_another_one_is_refused(tmp_path):
    path = write_single_file(tmp_path / "world.safetensors", TINY, vae=False)
    assert refusal(path).text.startswith("The checkpoint of the model World (world.safetensors) has no VAE,")


def without(weights, name):
    return {key: tensor for key, tensor in weights.items() if key != name}


CONV, NORM = "model.diffusion_model.out.2.bias", "cond_stage_model.transformer.text_model.final_layer_norm.weight"
CHANGED = {
    "a missing weight of the image network": (lambda weights: without(weights, CONV), "conv_out.bias"),
    "a missing weight of the text encoder": (lambda weights: without(weights, NORM), "final_layer_norm.weight"),
    "a missing weight of the VAE": (
        lambda weights: without(weights, "first_stage_model.decoder.conv_in.weight"),
        "decoder.conv_in.weight",
    ),
    "other widths": (lambda weights: weights | {CONV: torch.zeros(4)}, "conv_out.bias"),
    "a weight that no such network has": (
        lambda weights: weights | {"model.diffusion_model.label_emb.0.0.weight": torch.zeros(8, 8)},
        "model.diffusion_model.label_emb.0.0.weight",
    ),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_nothing_stays_at_a_random_value(tmp_path, whole, kind):
    change, named = CHANGED[kind]
    save_file(change(load_file(whole)), tmp_path / "changed.safetensors")
    error = refusal(tmp_path / "changed.safetensors")
    assert error.id == "checkpoint-mismatch"
    assert error.context["problem"] == named
    assert int(error.context["total"]) - int(error.context["matching"]) == ("no such" not in kind)


def test_another_kind_of_file_is_no_checkpoint(tmp_path):
    save_file({"lora_unet_mid_block.alpha": torch.tensor(1.0)}, tmp_path / "ink.safetensors")
    assert refusal(tmp_path / "ink.safetensors").id == "checkpoint-unknown"


def test_a_missing_or_damaged_file_is_named(tmp_path, whole):
    assert refusal(tmp_path / "gone.safetensors").id == "model-missing"
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-1000])
    error = refusal(tmp_path / "cut.safetensors")
    assert (error.id, error.context["file"]) == ("model-corrupt", "cut.safetensors")


def test_a_checkpoint_of_other_widths_does_not_fit_this_configuration(small, tmp_path):
    path = write_single_file(tmp_path / "small.safetensors", small.base)
    assert refusal(path).id == "checkpoint-mismatch"


def test_weights_are_aligned(whole):
    """Memory-mapped ones are wherever the file has them, and the last bits of a CPU's sums depend on that."""
    made = engine(whole)
    made.load()
    parts = (made._pipeline.unet, made._pipeline.vae, made._pipeline.text_encoder)
    assert all(tensor.data_ptr() % 64 == 0 for part in parts for tensor in part.parameters())


def test_full_width_names_are_those_of_the_published_file(small):
    """A sample of the names in v1-5-pruned-emaonly.safetensors."""
    from tests.single_files import unet_weights, vae_weights

    names = {name for name, _ in unet_weights(small.base / "unet")}
    assert {
        "input_blocks.0.0.weight",
        "input_blocks.1.0.in_layers.2.weight",
        "input_blocks.3.0.op.bias",
        "input_blocks.4.0.skip_connection.weight",
        "input_blocks.11.0.emb_layers.1.weight",
        "middle_block.1.transformer_blocks.0.attn2.to_out.0.bias",
        "output_blocks.2.1.conv.weight",
        "output_blocks.5.2.conv.weight",
        "output_blocks.11.1.proj_out.bias",
        "out.2.weight",
        "time_embed.2.bias",
    } <= names
    assert {
        "encoder.down.0.downsample.conv.weight",
        "encoder.mid.attn_1.q.weight",
        "decoder.up.3.upsample.conv.bias",
        "decoder.mid.block_2.conv1.weight",
        "quant_conv.weight",
    } <= {name for name, _ in vae_weights(small.base / "vae")}
    assert models.SMALL.unet[0] == 32
