"""Tokens are counted without transformers, and exactly as transformers counts them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.domain.errors import RenderError
from tests.full_size_models import write_tokenizer
from workers.engines.clip_tokens import NO_LIMIT, load_prompt_tokens
from workers.engines.files.clip_tokenizer import load_tokenizer
from workers.engines.files.source import Source
from workers.tiny.world.prompts import evaluation_prompts

SHIPPED = Path(__file__).resolve().parents[3] / "workers" / "tiny" / "models" / "text-to-video" / "tokenizer"
PROMPTS = (
    "",
    " ",
    "a red heart rises slowly over the quiet sea at sunset",
    "A RED\tHEART\n\n rises",
    "don't, it's they're we've I'm you'll he'd 'tis",
    "8k, 35mm f/1.4 (masterpiece:1.2), [best quality] <lora:x:0.8> {a|b}",
    "café, cafe\u0301, Ångström, straße, ŻÓŁĆ, İstanbul",
    "日本の海 и красное сердце قلب أحمر",
    "❤️ 🌊 👩‍👩‍👧 \u200b\u00a0\ufeff",
    "<|startoftext|> the sea <|endoftext|>",
    "the<|endoftext|>sea <|ENDOFTEXT|> <|end of text|>",
    "  <|endoftext|>  ",
    "x" * 300,
    "0123456789 " * 30,
    "\x00\x1f\x7f",
)


def as_the_hub_publishes_it(folder):
    """CLIP's configuration as in Stable Diffusion's repositories: special tokens with all their fields."""
    write_tokenizer(folder)
    token = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    config = {
        "add_prefix_space": False,
        "bos_token": {**token, "content": "<|startoftext|>"},
        "eos_token": {**token, "content": "<|endoftext|>"},
        "errors": "replace",
        "model_max_length": 77,
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": {**token, "content": "<|endoftext|>"},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    plain = {name: value for name, value in token.items() if name != "__type"}
    special = {name: {**plain, "content": config[name]["content"]} for name in ("bos_token", "eos_token", "unk_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps({**special, "pad_token": "<|endoftext|>"}))


def with_a_token_of_its_own(folder):
    """A tokenizer that somebody extended and saved with transformers."""
    from transformers import CLIPTokenizer

    write_tokenizer(folder)
    tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    tokenizer.add_tokens(["<heart>", "over the"])
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (folder / name).unlink()
    tokenizer.save_pretrained(str(folder))


def without_configuration(folder):
    write_tokenizer(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "special_tokens_map.json").unlink()


@pytest.fixture(scope="module", params=["shipped", "files", "hub", "extended", "bare"])
def both(request, tmp_path_factory):
    """Return our tokenizer and transformers' for the same folder."""
    folder = SHIPPED
    if request.param != "shipped":
        folder = tmp_path_factory.mktemp(request.param) / "tokenizer"
        make = {
            "files": write_tokenizer,
            "hub": as_the_hub_publishes_it,
            "extended": with_a_token_of_its_own,
            "bare": without_configuration,
        }
        make[request.param](folder)
    return load_prompt_tokens(folder, Source("model")), load_tokenizer(folder, Source("model"))


def theirs(tokenizer, prompt):
    return len(tokenizer(prompt, truncation=False, verbose=False).input_ids)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_special_prompts_have_as_many_tokens_as_in_transformers(both, prompt):
    ours, reference = both
    assert ours.count(prompt) == theirs(reference, prompt)


def test_ordinary_prompts_have_as_many_tokens_as_in_transformers(both):
    ours, reference = both
    prompts = [prompt for prompt, _asked in evaluation_prompts(300, seed=3)]
    assert [ours.count(prompt) for prompt in prompts] == [theirs(reference, prompt) for prompt in prompts]


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=120))
def test_any_text_has_as_many_tokens_as_in_transformers(both, prompt):
    ours, reference = both
    assert ours.count(prompt) == theirs(reference, prompt)


def test_the_limit_is_the_one_of_transformers(both):
    ours, reference = both
    assert ours.limit == reference.model_max_length


def test_an_unlimited_tokenizer_says_so(tmp_path):
    without_configuration(tmp_path)
    assert load_prompt_tokens(tmp_path, Source("model")).limit == NO_LIMIT


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_named(tmp_path, name):
    write_tokenizer(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RenderError) as raised:
        load_prompt_tokens(tmp_path, Source("The model", "fetch it"))
    assert (raised.value.id, raised.value.context["file"]) == ("model-missing", name)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"])
def test_a_damaged_file_is_refused(tmp_path, name):
    write_tokenizer(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(RenderError) as raised:
        load_prompt_tokens(tmp_path, Source("The model"))
    assert raised.value.id == "model-corrupt"


def test_counting_loads_neither_transformers_nor_torch():
    script = f"""
import sys
from pathlib import Path
from workers.engines.clip_tokens import load_prompt_tokens
from workers.engines.files.source import Source
print(load_prompt_tokens(Path({str(SHIPPED)!r}), Source("tiny")).count("a red heart"))
print([name for name in ("transformers", "torch", "diffusers", "huggingface_hub") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["5", "[]"]
