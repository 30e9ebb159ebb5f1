"""Sentences for the tiny world: the same scene in many wordings, and the evaluation prompts."""

import re

import numpy as np

from workers.tiny.world.scenes import Scene, sample_scene

SHAPE_WORDS = {
    "circle": ("circle", "circle", "circle", "disc", "disk", "ball", "dot", "sphere"),
    "square": ("square", "square", "square", "box", "block"),
    "triangle": ("triangle", "triangle", "triangle", "pyramid"),
    "star": ("star", "star", "star", "five-pointed star"),
    "heart": ("heart", "heart", "heart", "love heart", "heart shape"),
    "cross": ("cross", "cross", "cross", "plus sign", "plus"),
}
COLOUR_WORDS = {
    "red": ("red", "red", "red", "red", "scarlet", "crimson", "ruby"),
    "orange": ("orange", "orange", "orange", "tangerine"),
    "yellow": ("yellow", "yellow", "yellow", "yellow", "golden", "gold", "lemon"),
    "green": ("green", "green", "green", "green", "emerald", "lime"),
    "cyan": ("cyan", "cyan", "cyan", "turquoise", "aqua", "teal"),
    "blue": ("blue", "blue", "blue", "dark blue", "navy", "sapphire"),
    "purple": ("purple", "purple", "purple", "violet", "lilac"),
    "pink": ("pink", "pink", "pink", "rose", "magenta"),
}
SIZE_WORDS = {
    "small": ("small", "small", "small", "tiny", "little"),
    "large": ("large", "large", "large", "big", "huge", "giant"),
}

# Each motion as pairs: after a noun ("a star rising"), and as a sentence's verb ("a star rises").
MOTION_WORDS = {
    "moving left": (
        ("moving left", "moves left"),
        ("moving to the left", "moves to the left"),
        ("drifting left", "drifts to the left"),
        ("sliding to the left", "slides left"),
        ("going left", "goes left"),
        ("flying leftwards", "flies to the left"),
        ("floating from right to left", "floats from right to left"),
    ),
    "moving right": (
        ("moving right", "moves right"),
        ("moving to the right", "moves to the right"),
        ("drifting right", "drifts to the right"),
        ("sliding to the right", "slides right"),
        ("going right", "goes right"),
        ("flying rightwards", "flies to the right"),
        ("floating from left to right", "floats from left to right"),
    ),
    "rising": (
        ("rising", "rises"),
        ("rising", "is rising"),
        ("moving up", "moves up"),
        ("going up", "goes upwards"),
        ("floating up", "floats up"),
        ("climbing", "climbs"),
        ("flying up", "flies upwards"),
    ),
    "falling": (
        ("falling", "falls"),
        ("falling", "is falling"),
        ("moving down", "moves down"),
        ("going down", "goes downwards"),
        ("sinking", "sinks"),
        ("dropping", "drops"),
        ("descending", "descends"),
    ),
    "still": (
        ("standing still", "stands still"),
        ("still", "is still"),
        ("not moving", "does not move"),
        ("resting", "rests"),
        ("staying in place", "stays in place"),
        ("motionless", "stays where it is"),
    ),
    "bouncing": (
        ("bouncing", "bounces"),
        ("bouncing", "is bouncing"),
        ("bouncing up and down", "bounces up and down"),
        ("jumping up and down", "jumps up and down"),
        ("hopping", "hops"),
        ("jumping", "jumps"),
    ),
    "growing": (
        ("growing", "grows"),
        ("growing", "is growing"),
        ("getting bigger", "gets bigger"),
        ("growing larger", "grows larger"),
        ("expanding", "expands"),
    ),
    "shrinking": (
        ("shrinking", "shrinks"),
        ("shrinking", "is shrinking"),
        ("getting smaller", "gets smaller"),
        ("becoming smaller", "becomes smaller"),
        ("contracting", "contracts"),
    ),
    "spinning": (
        ("spinning", "spins"),
        ("spinning", "is spinning"),
        ("rotating", "rotates"),
        ("turning around", "turns around"),
        ("twirling", "twirls"),
        ("whirling", "turns on the spot"),
    ),
    "circling": (
        ("circling", "circles"),
        ("circling", "is circling"),
        ("moving in a circle", "moves in a circle"),
        ("going round and round", "goes round and round"),
        ("orbiting", "orbits"),
    ),
}
BACKGROUND_WORDS = {
    "black": ("on black", "on a black background", "in front of a black background", "black background"),
    "white": ("on white", "on a white background", "in front of a white background", "white background"),
    "grey": ("on grey", "on a grey background", "on a gray background", "in front of a grey wall", "on gray"),
    "starry night": (
        "in a starry night",
        "in the starry night sky",
        "at night under the stars",
        "starry night",
        "in the night sky",
    ),
    "sunset": (
        "at sunset",
        "at sunset",
        "in the evening sky",
        "at dusk",
        "in front of a sunset",
        "before the setting sun",
    ),
    "meadow": (
        "over a meadow",
        "above a meadow",
        "in a meadow",
        "over a grassy field",
        "on a meadow",
        "over the grass",
    ),
    "sea": ("over the sea", "above the sea", "over the ocean", "above the water", "by the sea", "over the waves"),
    "desert": ("in the desert", "over the desert", "in a desert", "over sand dunes", "above the sand", "in the sahara"),
}
# How often a sentence omits an attribute, so that shorter prompts work too.
LEFT_OUT = {"size": 0.3, "motion": 0.08, "colour": 0.04, "shape": 0.03, "background": 0.06}
# Common prompt additions that mean nothing in this world: the encoder learns to ignore them.
STYLE_WORDS = (
    "cinematic",
    "high quality",
    "highly detailed",
    "4k",
    "masterpiece",
    "beautiful",
    "realistic",
    "smooth animation",
    "minimalist",
    "cartoon style",
    "slow motion",
    "best quality",
    "soft light",
)
PLAIN_LEADS = ("a video of ", "a clip of ", "an animation of ", "please show ", "show me ")
STYLED = 0.12
EVALUATION_SEED = 60
# Words that join the others and may appear anywhere.
FUNCTION_WORDS = (
    *("a", "an", "the", "this", "one", "some", "and", "or", "of", "in", "on", "at", "to", "by", "with", "from", "into"),
    *("over", "above", "before", "behind", "under", "against", "that", "which", "while", "is", "are", "it", "its"),
    *("shape", "coloured", "colored", "background", "sky", "scene", "video", "clip", "animation"),
    *("very", "slowly", "quickly", "gently"),
)


def describe(scene: Scene, rng: np.random.Generator, partial: bool = True) -> str:
    """Describe a scene in one of many wordings; with `partial`, some attributes are sometimes omitted."""
    said = {name: not partial or rng.random() >= chance for name, chance in LEFT_OUT.items()}
    noun = _noun_phrase(scene, said, rng)
    participle, verb = _pick(MOTION_WORDS[scene.motion], rng) if said["motion"] else ("", "")
    place = _pick(BACKGROUND_WORDS[scene.background], rng) if said["background"] else ""
    patterns = (
        (noun, " ", participle, " ", place),
        (noun, " ", participle, " ", place),
        (noun, " ", verb, " ", place),
        (noun, " ", place, ", ", participle),
        (place, ", ", noun, " ", verb),
        (place, ": ", noun, " ", participle),
        (noun.removeprefix("a ").removeprefix("an "), ", ", participle, ", ", place),
        (_pick(PLAIN_LEADS, rng), noun, " ", participle, " ", place),
        (noun, " that ", verb, " ", place) if verb else (noun, " ", place),
    )
    sentence = _tidy("".join(_pick(patterns, rng)))
    if partial and rng.random() < STYLED:
        sentence = f"{sentence}, {', '.join(rng.choice(STYLE_WORDS, size=rng.integers(1, 4), replace=False))}"
    style = rng.random()
    if style < 0.15:
        return sentence[0].upper() + sentence[1:] + "."
    return sentence[0].upper() + sentence[1:] if style < 0.25 else sentence


def evaluation_prompts(count: int = 60, seed: int = EVALUATION_SEED) -> list[tuple[str, Scene]]:
    """Return full prompts with their scenes, all from held-out combinations; the same on every call."""
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng, held_out=True) for _ in range(count)]
    return [(describe(scene, rng, partial=False), scene) for scene in scenes]


def corpus(count: int = 6000, seed: int = 1) -> list[str]:
    """Return sentences for learning the tokenizer's vocabulary."""
    rng = np.random.default_rng(seed)
    return [describe(sample_scene(rng), rng) for _ in range(count)]


def vocabulary() -> dict:
    """Return all words, by whether they name an attribute; used by `generation.catalogue.vocabulary`."""
    motions = {name: sorted({phrase for pair in pairs for phrase in pair}) for name, pairs in MOTION_WORDS.items()}
    said = {"shape": SHAPE_WORDS, "colour": COLOUR_WORDS, "size": SIZE_WORDS, "background": BACKGROUND_WORDS}
    attributes = {name: {value: sorted(set(words)) for value, words in table.items()} for name, table in said.items()}
    return {"attributes": {**attributes, "motion": motions}, "other": [*STYLE_WORDS, *PLAIN_LEADS, *FUNCTION_WORDS]}


def _noun_phrase(scene: Scene, said: dict[str, bool], rng: np.random.Generator) -> str:
    """Return the object with its article and any mentioned adjectives, such as "a large red heart"."""
    size = _pick(SIZE_WORDS[scene.size], rng) if said["size"] else ""
    colour = _pick(COLOUR_WORDS[scene.colour], rng) if said["colour"] else ""
    shape = _pick(SHAPE_WORDS[scene.shape], rng) if said["shape"] else "shape"
    if size and colour and rng.random() < 0.1:
        return f"a {shape}, {size} and {colour},"
    words = " ".join(word for word in (size, colour, shape) if word)
    article = "an" if words[0] in "aeiou" else "a"
    return f"the {words}" if rng.random() < 0.08 else f"{article} {words}"


def _pick(options: tuple, rng: np.random.Generator):
    return options[rng.integers(len(options))]


def _tidy(text: str) -> str:
    """Remove the gaps that omitted parts leave: double spaces, stray commas."""
    text = re.sub(r"(\s*,)+", ",", " ".join(text.split()))
    return re.sub(r"[\s,]*:", ":", text).strip(" ,:")
