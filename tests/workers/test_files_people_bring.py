"""Files in the usual layouts, dropped into the inbox: each makes clips, or is refused with a true sentence.

A file that is named by an entry instead is refused by the engine, in its own words.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from generation.catalogue.entries import BUILTIN_MODELS
from generation.domain.errors import RenderError
from generation.inbox import folder, services
from generation.inbox.reasons import Refused
from generation.requests import available
from generation.requests.request import parse
from tests import model_files, single_files
from tests.single_files import write_kohya_lora, write_single_file
from workers import engine_factory
from workers.engines import lora_files, registry
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.base import Lora

TINY, MOTION = BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"
PROMPT = "a red heart rising over the sea"
CLIP = (PROMPT, "", 64, 64, 4, 2, 3.5, 7, lambda *_: None)


@pytest.fixture
def home(settings, tmp_path, monkeypatch):
    settings.HOME = tmp_path
    settings.CATALOGUE_FILE = str(tmp_path / "own.toml")
    (tmp_path / "own.toml").write_text("")
    monkeypatch.setattr(registry, "_default", registry.Registry())
    return tmp_path


@pytest.fixture(scope="module")
def plain():
    return AnimateDiffEngine(TINY, MOTION, device="cpu").generate(*CLIP)


def a_checkpoint(dtype, vae):
    return lambda path: write_single_file(path, TINY, dtype=dtype, vae=vae)


def a_lora(with_text):
    return lambda path: write_kohya_lora(path, TINY, with_text=with_text)


def a_foreign_lora(stem, width=8):
    shapes = {f"{stem}.lora_down.weight": (4, width), f"{stem}.lora_up.weight": (8, 4), f"{stem}.alpha": ()}
    return lambda path: model_files.write(path, shapes)


def a_zip(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.safetensors", b"weights")
    path.write_bytes(buffer.getvalue())


def an_error_page(path):
    path.write_text("<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n")


CHECKPOINTS = {
    "single file, fp16, with VAE": (a_checkpoint(torch.float16, vae=True), True),
    "single file, fp32, with VAE": (a_checkpoint(torch.float32, vae=True), True),
    "single file, fp16, without VAE": (a_checkpoint(torch.float16, vae=False), False),
    "single file, fp32, without VAE": (a_checkpoint(torch.float32, vae=False), False),
}
LORAS = {
    "kohya LoRA without text encoder": (a_lora(with_text=False), False),
    "kohya LoRA with text encoder": (a_lora(with_text=True), True),
}
SDXL = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
FLUX = "lora_unet_double_blocks_0_img_attn_proj"
REFUSED = {
    "LoRA for SDXL": (
        a_foreign_lora(SDXL, 2048),
        "This LoRA is for another model (SDXL), not for Stable Diffusion 1.5.",
        "The LoRA Mine was made for another model (SDXL) and does not work with Tiny world.",
    ),
    "LoRA for Flux": (
        a_foreign_lora(FLUX),
        "This LoRA is for another model (Flux), not for Stable Diffusion 1.5.",
        "The LoRA Mine was made for another model (Flux) and does not work with Tiny world.",
    ),
    "renamed zip": (
        a_zip,
        "This is a zip archive or a .ckpt under another name. docs/models.md says how to convert a .ckpt.",
        "A file of the model Mine (file.safetensors) is a zip archive or a .ckpt under another name.",
    ),
    "error page": (
        an_error_page,
        "This is a web page saved under the name of a model, probably an error page. Download the file again.",
        "A file of the model Mine (file.safetensors) is a web page saved under its name, probably an error page.",
    ),
}


def dropped(home, write) -> Path:
    path = folder.inbox(home) / "file.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    return path


def frames(values):
    """Return what the worker makes of a request on the site's catalogue as it is now."""
    request = parse({"prompt": PROMPT, **values}, available.catalogue(), available.limits())
    engine_factory.verify_all(request)
    engine = engine_factory.text_to_video(request)
    return engine, engine.generate(*CLIP, loras=engine_factory.loras(request))


def test_they_are_ten():
    assert len(CHECKPOINTS) + len(LORAS) + len(REFUSED) == 10


@pytest.mark.parametrize("what", CHECKPOINTS)
def test_a_checkpoint_makes_the_clips_of_its_folder(home, plain, what):
    write, has_vae = CHECKPOINTS[what]
    dropped(home, write)
    id = services.approve(home, home / "own.toml", "file.safetensors")
    if not has_vae:
        single_files.write_vae_file(folder.inbox(home) / "vae.safetensors", TINY / "vae")
        vae = services.approve(home, home / "own.toml", "vae.safetensors")
        (home / "own.toml").write_text(f'[models.{id}]\nvae = "{vae}"\n')
    np.testing.assert_array_equal(frames({"model": id})[1], plain)


@pytest.mark.parametrize("what", LORAS)
def test_a_lora_is_applied_as_a_whole(home, plain, what):
    write, with_text = LORAS[what]
    path = dropped(home, write)
    modules = sum(name.endswith(".alpha") for name in lora_files.read_shapes(path))
    id = services.approve(home, home / "own.toml", path.name)
    engine, made = frames({"model": "tiny", "style_loras": [[id, 1.0]]})
    networks = (engine._pipeline.unet, engine._pipeline.text_encoder)
    assert [bool(lora_files.count_applied("lora0", network)) for network in networks] == [True, with_text]
    assert lora_files.count_applied("lora0", *networks) == modules
    assert not np.array_equal(made, plain)


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_refused_with_a_true_sentence(home, what):
    write, reason, words = REFUSED[what]
    path = dropped(home, write)
    with pytest.raises(Refused) as refused:
        services.approve(home, home / "own.toml", path.name)
    assert refused.value.text == reason
    engine = AnimateDiffEngine(TINY, MOTION, device="cpu", label="Tiny world")
    with pytest.raises(RenderError) as failed:
        engine.generate(*CLIP, loras=[Lora(path, 1.0, "Mine")])
    assert failed.value.text.startswith(words)
    if "LoRA" not in what:
        with pytest.raises(RenderError) as failed:
            AnimateDiffEngine(TINY, MOTION, weights=path, device="cpu", label="Mine").load()
        assert failed.value.text.startswith(words)
