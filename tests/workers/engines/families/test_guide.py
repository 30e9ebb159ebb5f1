"""docs/models.md, 'Adding a family', followed step by step."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from generation.domain.errors import RenderError
from generation.requests import available
from generation.requests.request import parse
from tests import small_families, small_gguf
from tests.workers.engines.families.test_loras import write_lora
from workers import engine_factory

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "models.md"


@pytest.fixture
def entries():
    """Return the two catalogue entries of the guide."""
    section = GUIDE.read_text(encoding="utf-8").split("### Adding a family")[1].split("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"```toml\n(.*?)```", section, re.DOTALL)]


def test_the_guide_to_a_new_family_leads_to_clips(entries, settings, tmp_path, capsys):
    settings.HOME = tmp_path
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.toml")
    small_families.write_wan(tmp_path / "models" / "our-wan")
    Path(settings.CATALOGUE_FILE).write_text(entries[0])
    call_command("fetch_models", "our-wan")
    assert "our-wan" in {model.id for model in available.offer().models()}
    plain = clip_of("our-wan", steps=2)

    Path(settings.CATALOGUE_FILE).write_text("\n".join(entries))
    network = engine_factory.text_to_video(asked("our-wan"))._pipeline.transformer
    (tmp_path / "models" / "our-four-steps").mkdir()
    write_lora(tmp_path / "models" / "our-four-steps" / "four-steps.safetensors", network, ("attn1.to_q", "attn1.to_v"))
    call_command("fetch_models", "our-wan-fast")
    assert [model.id for model in available.offer().models()][-2:] == ["our-wan", "our-wan-fast"]
    fast = clip_of("our-wan-fast")
    assert fast.any()
    assert engine_factory.text_to_video(asked("our-wan-fast"))._pipeline.transformer is network, "in memory once"
    assert np.array_equal(clip_of("our-wan", steps=2), plain), "the variant's LoRA is gone"


def test_the_guide_to_a_gguf_file_leads_to_clips(settings, tmp_path, capsys):
    section = GUIDE.read_text(encoding="utf-8").split("### A GGUF file")[1].split("\n### ")[0]
    entries = textwrap.dedent(re.search(r"<!-- a GGUF file -->\n(.*?```toml\n.*?)```", section, re.DOTALL)[1])
    entries = entries.replace("```toml", "").replace("/data/gguf", str(tmp_path / "gguf"))
    # What is fetched besides, nothing of which is here.
    entries = entries.replace('"film"', '"tiny-film"').replace('"real-esrgan-plus"', '"tiny-esrgan"')
    settings.HOME = tmp_path
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.toml")
    Path(settings.CATALOGUE_FILE).write_text(entries)
    model = available.catalogue().models["wan2-1-14b-q4"]
    rest = small_families.write_wan(model.base_path(tmp_path), head_width=16)
    (tmp_path / "gguf").mkdir()
    small_gguf.write_transformer(model.weights_path(tmp_path), rest, "Q4_0")
    (rest / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    command = re.search(r"`\.venv/bin/python manage\.py (fetch_models [^`]+)`", section)[1]
    call_command(*command.split(), "--offline")
    assert available.offer().models()[-1] == model
    assert clip_of(model.id, steps=2).any()
    assert engine_factory.text_to_video(asked(model.id))._pipeline.transformer.is_quantized

    with model.weights_path(tmp_path).open("ab") as file:
        file.write(b"another file")
    with pytest.raises(RenderError) as caught:
        clip_of(model.id)
    assert caught.value.id in ("model-corrupt", "model-missing"), "its hash was recorded"


def asked(model, **changes):
    return parse(
        {"prompt": "a red circle", "model": model, "seed": 1, **changes}, available.catalogue(), available.limits()
    )


def clip_of(model, **changes):
    """Return five small frames, made as a worker would make them."""
    request = asked(model, **changes)
    engine_factory.verify_all(request)
    engine = engine_factory.text_to_video(request)
    return engine.generate(
        prompt=request.engine_prompt,
        negative_prompt=request.negative_prompt,
        width=48,
        height=32,
        frames=5,
        steps=request.steps,
        guidance=request.guidance,
        seed=1,
        on_step=lambda *_: None,
        loras=engine_factory.loras(request),
    )
