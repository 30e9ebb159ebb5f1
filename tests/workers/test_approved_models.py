"""A checkpoint dropped into the inbox makes clips once it is approved, without a restart."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.catalogue.entries import BUILTIN_MODELS
from generation.domain.errors import RenderError
from generation.inbox import folder, services
from generation.requests import available
from generation.requests.request import parse
from tests.single_files import write_single_file, write_vae_file
from workers import engine_factory
from workers.engines import registry

TINY = BUILTIN_MODELS / "text-to-video"
CLIP = ("a red heart rising over the sea", "", 64, 64, 8, 2, 3.5, 7, lambda *_: None)


@pytest.fixture
def home(settings, tmp_path, monkeypatch):
    settings.HOME = tmp_path
    monkeypatch.setattr(registry, "_default", registry.Registry())
    return tmp_path


def frames(model):
    request = parse({"prompt": CLIP[0], "model": model}, available.catalogue(), available.limits())
    engine_factory.verify_all(request)
    return engine_factory.text_to_video(request).generate(*CLIP)


def test_an_approved_checkpoint_makes_the_clips_of_its_folder(home):
    expected = frames("tiny")
    write_single_file(folder.inbox(home) / "my_world.safetensors", TINY, dtype=torch.float16)
    id = services.approve(home, None, "my_world.safetensors")
    assert id in {model.id for model in available.offer().models()}
    np.testing.assert_array_equal(frames(id), expected)


def test_an_approved_vae_works_with_it(home, settings):
    expected = frames("tiny")
    write_single_file(folder.inbox(home) / "world.safetensors", TINY, vae=False)
    write_vae_file(folder.inbox(home) / "vae.safetensors", TINY / "vae")
    settings.CATALOGUE_FILE = str(home / "own.toml")
    (home / "own.toml").write_text("")
    for name in ("vae", "world"):
        services.approve(home, settings.CATALOGUE_FILE, f"{name}.safetensors")
    with pytest.raises(RenderError) as caught:
        frames("world")
    assert caught.value.id == "checkpoint-without-vae"
    (home / "own.toml").write_text('[models.world]\nvae = "vae"\n')
    np.testing.assert_array_equal(frames("world"), expected)


def test_an_approved_textual_inversion_is_used_by_those_who_write_its_word(home):
    """Its vectors are those of a word of the model, so the clip is that word's."""
    (encoder,) = (TINY / "text_encoder").glob("*.safetensors")
    table = next(tensor for name, tensor in load_file(encoder).items() if name.endswith("token_embedding.weight"))
    expected = frames("tiny")
    prompt = CLIP[0].replace("heart", "Zorb")
    request = parse({"prompt": prompt, "model": "tiny"}, available.catalogue(), available.limits())
    engine = engine_factory.text_to_video(request)
    assert not np.array_equal(engine.generate(prompt, *CLIP[1:]), expected)
    heart = engine._pipeline.tokenizer("heart", add_special_tokens=False).input_ids
    folder.inbox(home).mkdir(parents=True)
    save_file({"emb_params": table[heart].contiguous()}, folder.inbox(home) / "zorb.safetensors")
    assert services.approve(home, None, "zorb.safetensors") == "zorb"
    np.testing.assert_array_equal(engine_factory.text_to_video(request).generate(prompt, *CLIP[1:]), expected)
    services.withdraw(home, None, "zorb")
    assert not np.array_equal(engine_factory.text_to_video(request).generate(prompt, *CLIP[1:]), expected)
