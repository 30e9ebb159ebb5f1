"""Weighted prompts, prompts beyond the text encoder's limit, and prompts that change within the clip."""

import numpy as np
import pytest

from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.tiny.training.export import MODELS

LIMIT = 75  # tokens of text in a chunk of Stable Diffusion's encoder


@pytest.fixture(scope="module")
def tiny():
    """Return an engine of the bundled models, whose world can be measured."""
    return AnimateDiffEngine(MODELS / "text-to-video", MODELS / "motion-adapter", device="cpu", context_length=17)


def clip_of(engine, prompt, negative="", frames=5, steps=8, seed=3):
    return engine.generate(prompt, negative, 64, 64, frames, steps, 3.5, seed, lambda *_step: None)


def colours(clip):
    """Return the mean colour of what is colourful in each frame, `[F, 3]`: the object, on black."""
    frames = clip.astype(float)
    colourful = frames.max(axis=-1) - frames.min(axis=-1) > 60
    return np.stack([frame[mask].mean(axis=0) for frame, mask in zip(frames, colourful, strict=True)])


def is_red(colour):
    return colour[0] > 2 * colour[2]


def is_blue(colour):
    return colour[2] > 2 * colour[0]


def embeddings(engine, prompt, negative="", guided=True):
    engine.load()
    return engine._pipeline.encode_prompt(prompt, "cpu", 1, guided, negative)


# --- On the bundled model: what weights, length and time do to the picture --------------------------------------------


def test_a_lower_weight_takes_a_word_out_of_the_picture(tiny):
    """Green is what tells red from yellow, the colour that this seed gives a circle of no colour."""
    greens = [colours(clip_of(tiny, f"a (red:{weight}) circle on black")).mean(axis=0)[1] for weight in (1, 0.2, 0)]
    assert greens == sorted(greens)
    assert greens[0] < 40 < 80 < greens[1] < 140 < 180 < greens[2]


def test_of_two_colours_the_heavier_one_wins(tiny):
    assert is_red(colours(clip_of(tiny, "a (red:1.5) (blue:0.3) circle on black")).mean(axis=0))
    assert is_blue(colours(clip_of(tiny, "a (red:0.3) (blue:1.5) circle on black")).mean(axis=0))


def test_a_higher_weight_pulls_towards_its_word(tiny):
    def blue_share(prompt):
        colour = colours(clip_of(tiny, prompt)).mean(axis=0)
        return colour[2] / colour[0]

    shares = [blue_share(f"a (red:0.5) (blue:{weight}) circle") for weight in (1, 1.5)]
    assert shares[1] > 1.5 * shares[0]


def test_text_beyond_the_limit_is_read(tiny):
    filler = "and the " * 30
    assert tiny.count_tokens(filler) > tiny.max_prompt_tokens == 48
    assert is_blue(colours(clip_of(tiny, f"a large {filler} blue circle on black")).mean(axis=0))
    assert is_red(colours(clip_of(tiny, f"a large {filler} red circle on black")).mean(axis=0))


def test_a_prompt_changes_the_colour_at_the_time_that_it_names(tiny):
    parts = ("a large red circle on black", "a large red circle on black", "a large blue circle on black")
    clip = clip_of(tiny, " | ".join(f"{at}%: {text}" for at, text in zip((0, 50, 62.5), parts, strict=True)), frames=17)
    found = colours(clip)
    assert all(map(is_red, found[:9]))
    assert all(map(is_blue, found[10:]))


@pytest.mark.thorough
def test_a_prompt_changes_beyond_the_window_too(tiny):
    prompt = "0%: a large red circle on black | 50%: a large red circle on black | 62.5%: a large blue circle on black"
    found = colours(clip_of(tiny, prompt, frames=33))
    assert all(map(is_red, found[:17]))
    assert all(map(is_blue, found[20:]))


def test_the_negative_prompt_is_weighted_too(tiny):
    """What it names is kept out, and less so with a lower weight."""
    prompt = "a circle on black"
    seen = colours(clip_of(tiny, prompt)).mean(axis=0)
    without, half = (colours(clip_of(tiny, prompt, f"(yellow:{weight})")).mean(axis=0) for weight in (1, 0.3))
    assert np.abs(without - seen).sum() > 60, f"{without} is no other colour than {seen}"
    assert np.abs(half - seen).sum() < np.abs(without - seen).sum()


# --- What reaches the network --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["a red heart", "a " * LIMIT, r"a red \(heart\)", "a red heart BREAK", ""])
def test_plain_prompts_within_the_limit_are_what_diffusers_makes_of_them(new_engine, prompt):
    engine = new_engine()
    ours = embeddings(engine, prompt, "blurry")
    plain = prompt.replace("\\", "").replace(" BREAK", "")
    theirs = engine._prompts._encode._encode(plain, "cpu", 1, True, "blurry")
    assert [part.shape[1] for part in ours] == [77, 77]
    assert all(bool((one == other).all()) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("text", "chunks"), [("a " * LIMIT, 1), ("a " * (LIMIT + 1), 2), ("a " * 3 * LIMIT, 3)])
def test_longer_prompts_are_cut_into_chunks_and_the_other_one_is_filled_up(new_engine, text, chunks):
    engine = new_engine()
    for prompt, negative in ((text, "blurry"), ("a heart", text)):
        assert [part.shape[1] for part in embeddings(engine, prompt, negative)] == [77 * chunks] * 2


def test_a_chunk_ends_with_a_comma_if_one_is_near(new_engine):
    engine = new_engine()
    engine.load()
    encoder = engine._prompts._encode
    near = "a " * 60 + ", " + "b " * 30
    far = "a " * 20 + ", " + "b " * 70

    def lengths(text):
        from workers.engines.diffusion.long_prompts import read_prompt

        return [len(ids) for ids, _weights in encoder._chunks(read_prompt(text))]

    assert lengths(near) == [61, 30]
    assert lengths(far) == [75, 16]
    assert lengths("a " * 5 + "BREAK " + "b " * 3) == [5, 3]


def test_a_weight_scales_the_difference_to_an_empty_prompt(new_engine):
    engine = new_engine()
    plain, empty = embeddings(engine, "a red heart", "")
    heavy, _empty = embeddings(engine, "a (red:1.5) heart", "")
    word = 2  # after the start and "a"
    assert np.allclose(heavy[0, word] - empty[0, word], 1.5 * (plain[0, word] - empty[0, word]), atol=1e-5)
    others = [place for place in range(77) if place != word]
    assert np.allclose(heavy[0, others], plain[0, others], atol=1e-6)


def test_words_without_weight_leave_nothing_in_the_others(new_engine):
    """Two of them as well as one: they are taken out together."""
    engine = new_engine()
    first, _negative = embeddings(engine, "a (b:0) (c:0) heart")
    second, _negative = embeddings(engine, "a (d:0) (e:0) heart")
    assert np.allclose(first, second, atol=1e-5)
    assert not np.allclose(first, embeddings(engine, "a (b:0.5) (c:0) heart")[0], atol=1e-3)


def test_many_different_weights_cost_few_passes_of_the_text_encoder(new_engine):
    engine = new_engine()
    engine.load()
    sizes = []
    engine._pipeline.text_encoder.register_forward_hook(lambda _module, args, _result: sizes.append(len(args[0])))
    embeddings(engine, " ".join(f"(a:0.{number:02})" for number in range(1, 60)))
    assert sum(sizes) < 20


@pytest.mark.parametrize("frames", [3, 19])
def test_long_prompts_and_weights_work_with_and_without_free_noise(new_engine, frames):
    engine = new_engine()

    def make(prompt, negative):
        return engine.generate(prompt, negative, 64, 48, frames, 1, 5.0, 7, lambda *_step: None)

    plain = make("a heart", "blurry")
    for prompt, negative in (("a heart " * 60, "blurry"), ("a heart", "blurry " * 80), ("a (heart:1.3)", "blurry")):
        other = make(prompt, negative)
        assert other.shape == plain.shape
        assert not np.array_equal(other, plain)
        assert np.array_equal(other, make(prompt, negative))


def test_a_clip_of_one_frame_shows_the_beginning(new_engine):
    engine = new_engine()

    def make(prompt):
        return engine.generate(prompt, "", 64, 48, 1, 1, 5.0, 7, lambda *_step: None)

    assert np.array_equal(make("0%: a heart | 100%: a cube"), make("a heart"))


def test_clips_that_change_share_one_arrangement_and_the_next_plain_one_is_as_ever(new_engine):
    engine = new_engine()

    def make(prompt):
        return engine.generate(prompt, "", 64, 48, 3, 1, 5.0, 7, lambda *_step: None)

    plain = make("a heart")
    assert not np.array_equal(make("0%: a heart | 100%: a cube"), plain)
    assert np.array_equal(make("a heart"), plain)
