"""What the local hub of these tests serves, and the operator's catalogue that names it."""

from pathlib import Path

from generation.catalogue.load import Entry, load_catalogue

WEIGHTS = bytes(range(256)) * 4000  # 1 MB
CONFIG = b'{"_class_name": "MotionAdapter"}'

CATALOGUE = """
[adapters.moves]
label = "Moves"
purpose = "For tests."
family = "tiny"
repo = "studio/moves"
licence = "MIT"
context_length = 16
context_stride = 4
max_frames = 32

[models.painter]
label = "Painter"
purpose = "For tests."
family = "tiny"
repo = "studio/painter"
files = ["model_index.json", "unet/*.safetensors"]
vae_repo = "studio/vae"
licence = "MIT"
native_size = 64
min_size = 64
native_fps = 8
steps = 4
guidance = 2.0
scheduler = { class = "DDIMScheduler" }
adapter = "moves"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
"""


def entry(id: str, home: Path) -> Entry:
    """Return an entry of the catalogue in the fixture `home`."""
    return load_catalogue(str(home.parent / "extra.toml"))[id]
