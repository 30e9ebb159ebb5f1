"""Sentences describe the scene in many ways, and evaluation prompts are held out of training."""

import numpy as np

from workers.tiny.world import prompts
from workers.tiny.world.scenes import is_held_out, sample_scene


def test_a_full_sentence_names_every_attribute():
    rng = np.random.default_rng(0)
    for _ in range(300):
        scene = sample_scene(rng)
        sentence = prompts.describe(scene, rng, partial=False).lower()
        assert any(word in sentence for word in prompts.SHAPE_WORDS[scene.shape])
        assert any(word in sentence for word in prompts.COLOUR_WORDS[scene.colour])
        assert any(word in sentence for word in prompts.SIZE_WORDS[scene.size])
        assert any(word in sentence for pair in prompts.MOTION_WORDS[scene.motion] for word in pair)
        assert any(word in sentence for word in prompts.BACKGROUND_WORDS[scene.background])


def test_sentences_are_tidy():
    for sentence in prompts.corpus(2000):
        assert sentence == sentence.strip(" ,:")
        assert "  " not in sentence
        assert ",," not in sentence
        assert " ," not in sentence


def test_one_scene_has_many_wordings():
    rng = np.random.default_rng(0)
    scene = sample_scene(rng)
    assert len({prompts.describe(scene, rng) for _ in range(200)}) > 100


def test_no_wording_stands_for_two_things():
    for words in (prompts.SHAPE_WORDS, prompts.COLOUR_WORDS, prompts.SIZE_WORDS, prompts.BACKGROUND_WORDS):
        every = [word for options in words.values() for word in set(options)]
        assert len(every) == len(set(every))


def test_evaluation_prompts_are_fixed_and_held_out():
    first, second = prompts.evaluation_prompts(60), prompts.evaluation_prompts(60)
    assert first == second
    assert len({sentence for sentence, _ in first}) == 60
    assert all(is_held_out(scene) for _, scene in first)
