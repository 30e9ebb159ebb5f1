"""Operators' catalogues with models that make clips without AnimateDiff, whose files are there, for tests of pages.

`waves` has guidance and a limit of five seconds, `waves-fast` is its few-step variant without guidance, `clouds` has no
guidance, an odd rate, coarse sides and a notice. None of them has native sizes by shape; `NATIVE_SIZES` has two more.
"""

CATALOGUE = """
[models.waves]
label = "Waves"
purpose = "Water of all kinds."
family = "wan-small"
pipeline = "WanPipeline"
builtin = true
folder = "text-to-video"
files = ["model_index.json"]
licence = "MIT"
native_size = 480
min_size = 256
native_fps = 16
frame_multiple = 4
frame_offset = 1
max_frames = 81
side_multiple = 16
steps = 50
guidance = 5.0
scheduler = { class = "UniPCMultistepScheduler", flow_shift = 3.0 }
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
max_prompt_tokens = 512

[models.waves-fast]
variant_of = "waves"
label = "Waves, 4 steps"
purpose = "Water in a hurry."
steps = 4
guidance = 1
guided = false
lora = "waves-lora"

[styles.waves-lora]
label = "Four steps"
purpose = "For the variant."
family = "wan-small"
builtin = true
folder = "motion-adapter"
weights = "config.json"
licence = "MIT"

[styles.foam]
label = "Foam"
purpose = "White on the waves."
family = "wan-small"
builtin = true
folder = "motion-adapter"
weights = "config.json"
licence = "MIT"

[models.clouds]
label = "Clouds"
purpose = "The sky."
family = "clouds"
pipeline = "LTXPipeline"
builtin = true
folder = "text-to-video"
files = ["model_index.json"]
licence = "clouds-community"
notice = "Its licence does not hold below sea level."
native_size = 512
min_size = 256
native_fps = 25
frame_multiple = 8
frame_offset = 1
max_frames = 97
side_multiple = 32
steps = 8
guidance = 1
guided = false
scheduler = { class = "FlowMatchEulerDiscreteScheduler" }
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
max_prompt_tokens = 128
"""

# `tides` was trained at sizes of its own for two shapes, `lake` at another one than its `native_size` for a square.
NATIVE_SIZES = (
    CATALOGUE
    + """
[models.tides]
variant_of = "waves"
label = "Tides"
purpose = "Water that comes and goes."
native_sizes = { "16:9" = "832x480", "9:16" = "480x832" }

[models.lake]
variant_of = "waves"
label = "Lake"
purpose = "Water that stays."
native_sizes = { "1:1" = "640x640", "3:2" = "768x512" }
"""
)

FAMILIES = ("wan", "ltx", "cogvideox", "hunyuan", "elsewhere")


def many_models(count: int) -> str:
    """Return a catalogue with `count` more models, of several families."""
    waves = CATALOGUE[CATALOGUE.index("[models.waves]") : CATALOGUE.index("[models.waves-fast]")]
    more = (
        waves.replace("[models.waves]", f"[models.model-{n}]")
        .replace('"Waves"', f'"Model {n} of a long name, in bf16"')
        .replace('"wan-small"', f'"{FAMILIES[n % len(FAMILIES)]}"')
        for n in range(count)
    )
    return CATALOGUE + "".join(more)
