"""Textual inversions: a word in a prompt stands for the vectors of a file, and for nothing without the word."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.catalogue.entries import BUILTIN_MODELS
from generation.domain.errors import RenderError
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.files.embeddings import Embedding, in_place_of_words

TINY, MOTION = BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"
REST = ("", 64, 64, 4, 2, 3.5, 7, lambda *_: None)


@pytest.fixture(scope="module")
def engine():
    return AnimateDiffEngine(TINY, MOTION, device="cpu", label="Tiny world")


@pytest.fixture(scope="module")
def vectors(engine):
    """Return the model's own vectors of a text, which an inversion can be made of."""
    engine.load()
    table = load_file(TINY / "text_encoder" / "model.safetensors")
    table = next(tensor for name, tensor in table.items() if name.endswith("token_embedding.weight"))
    tokenizer = engine._pipeline.tokenizer
    return lambda text: table[tokenizer(text, add_special_tokens=False).input_ids]


def written(path, weights, word="zorb"):
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    return Embedding(path, word, "Zorb")


@pytest.mark.parametrize("name", ["emb_params", "<zorb>"])
def test_a_word_stands_for_its_vectors(engine, vectors, tmp_path, name):
    """Those of another text, so the clip must be that text's, bit for bit."""
    expected = engine.generate("a red heart rising over the sea", *REST)
    engine.know([written(tmp_path / "zorb.safetensors", {name: vectors("red heart rising")})])
    np.testing.assert_array_equal(engine.generate("a ZORB over the sea", *REST), expected)
    engine.know([])


def test_a_vector_of_its_own_may_have_one_dimension(engine, vectors, tmp_path):
    expected = engine.generate("a red heart", *REST)
    (red,) = vectors("red")
    engine.know([written(tmp_path / "zorb.safetensors", {"<zorb>": red})])
    np.testing.assert_array_equal(engine.generate("a zorb heart", *REST), expected)
    engine.know([])


def test_nothing_changes_without_the_word_and_after_it(engine, vectors, tmp_path):
    texts = ("a red heart", "a zorb", "a zorbs and un-zorb")
    before = [engine.generate(text, *REST) for text in texts]
    engine.know([written(tmp_path / "zorb.safetensors", {"emb_params": vectors("blue star")})])
    assert not np.array_equal(engine.generate(texts[1], *REST), before[1])
    for index in (0, 2):
        np.testing.assert_array_equal(engine.generate(texts[index], *REST), before[index])
    engine.know([])
    for text, frames in zip(texts, before, strict=True):
        np.testing.assert_array_equal(engine.generate(text, *REST), frames)


def test_it_works_in_the_negative_prompt_beside_another(engine, vectors, tmp_path):
    rest = REST[1:]
    expected = engine.generate("a green star", "blue heart", *rest)
    engine.know([
        written(tmp_path / "a.safetensors", {"emb_params": vectors("blue heart")}, "bad-5"),
        written(tmp_path / "b.safetensors", {"emb_params": vectors("green")}, "bad"),
    ])  # fmt: skip
    np.testing.assert_array_equal(engine.generate("a bad star", "bad-5", *rest), expected)
    engine.know([])


def test_an_engine_that_is_not_loaded_knows_them_once_it_is(vectors, tmp_path):
    made = []
    for prompt, known in (("a red heart", []), ("a zorb", [{"emb_params": vectors("red heart")}])):
        one = AnimateDiffEngine(TINY, MOTION, device="cpu")
        one.know([written(tmp_path / "zorb.safetensors", weights) for weights in known])
        made.append(one.generate(prompt, *REST))
    np.testing.assert_array_equal(*made)


WRONG = {
    "another width": {"emb_params": torch.zeros(2, 768)},
    "no vectors": {"a": torch.zeros(2, 128), "b": torch.zeros(2, 128)},
    "a picture": {"emb_params": torch.zeros(2, 3, 128)},
    "hundreds": {"emb_params": torch.zeros(300, 128)},
    "none": {"emb_params": torch.zeros(0, 128)},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_for_another_model_is_refused_and_none_is_known(engine, tmp_path, what):
    plain = engine.generate("a zorb", *REST)
    with pytest.raises(RenderError) as caught:
        engine.know([written(tmp_path / "zorb.safetensors", WRONG[what])])
    assert caught.value.text.startswith(
        "The textual inversion Zorb was not used: its file zorb.safetensors has no vectors that Tiny world reads."
    )
    np.testing.assert_array_equal(engine.generate("a zorb", *REST), plain)


def test_a_missing_or_damaged_file_is_named(engine, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    for name, id in (("gone", "model-missing"), ("cut", "model-corrupt")):
        with pytest.raises(RenderError) as caught:
            engine.know([Embedding(tmp_path / f"{name}.safetensors", "zorb", "Zorb")])
        assert (caught.value.id, caught.value.context["file"]) == (id, f"{name}.safetensors")


def test_only_whole_words_are_replaced():
    words = {"ink": "1", "ink-2": "2", "<cat>": "3"}
    text = "ink, INK (ink:1.2) drink inks pre-ink ink-2 ink-3 <cat> <cats>"
    assert in_place_of_words(text, words) == "1, 1 (1:1.2) drink inks pre-ink 2 ink-3 3 <cats>"
