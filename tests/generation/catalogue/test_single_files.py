"""Entries whose weights are a single file: where everything that the file lacks comes from."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from generation.catalogue import card_memory
from generation.catalogue.load import Catalogue, CatalogueError, load_catalogue

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
MINE = """
[models.mine]
label = "Mine"
purpose = "For tests."
family = "tiny"
weights = "mine.safetensors"
configuration = "tiny"
licence = "MIT"
native_size = 64
min_size = 64
native_fps = 8
steps = 2
guidance = 3.5
scheduler = { class = "DDIMScheduler" }
adapter = "tiny-motion"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
"""
VAE = """
[vaes.my-vae]
label = "My VAE"
purpose = "For tests."
family = "tiny"
weights = "vae.safetensors"
configuration = "tiny"
licence = "MIT"
"""


GGUF = """
[models.packed]
label = "Packed"
purpose = "For tests."
family = "wan2.1-1.3b"
pipeline = "WanPipeline"
weights = "wan-Q4_K_M.gguf"
configuration = "wan2-1-t2v-1-3b"
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
scheduler = { class = "UniPCMultistepScheduler" }
interpolator = "film"
upscaler = "real-esrgan-plus"
"""


def load(folder: Path, text: str) -> Catalogue:
    file = folder / "mine.toml"
    file.write_text(text)
    return load_catalogue(file)


def test_a_single_file_has_the_configuration_of_another_entry(tmp_path: Path) -> None:
    catalogue = load(tmp_path, MINE)
    model = catalogue.models["mine"]
    assert model.files == ("mine.safetensors",)
    assert model.weights_path(tmp_path) == tmp_path / "models" / "mine" / "mine.safetensors"
    assert model.base_path(tmp_path) == catalogue["tiny"].path(tmp_path)
    assert (model.vae_path(tmp_path), model.vae_config_path(tmp_path)) == (None, None)


def test_a_folder_has_its_own(tmp_path: Path) -> None:
    model = load(tmp_path, MINE).models["tiny"]
    assert (model.weights_path(tmp_path), model.vae_path(tmp_path), model.relies_on) == (None, None, ())
    assert model.base_path(tmp_path) == model.path(tmp_path)


def test_a_model_is_offered_once_all_its_parts_are_here(tmp_path: Path) -> None:
    text = MINE.replace('configuration = "tiny"', 'configuration = "layout"\nvae = "my-vae"') + VAE
    text += (
        '[configurations.layout]\nlabel = "L"\npurpose = "P."\nfamily = "tiny"\nlicence = "MIT"\nfiles = ["x.json"]\n'
    )
    model = load(tmp_path, text).models["mine"]
    assert {"layout", "my-vae"} <= set(model.needs)
    for entry, name in (("mine", "mine.safetensors"), ("layout", "x.json"), ("my-vae", "vae.safetensors")):
        assert not model.is_available(tmp_path)
        (tmp_path / "models" / entry).mkdir(parents=True)
        (tmp_path / "models" / entry / name).touch()
    assert model.is_available(tmp_path)


def test_a_vae_in_one_file_has_the_configuration_of_another_entry(tmp_path: Path) -> None:
    catalogue = load(tmp_path, MINE + 'vae = "my-vae"\n' + VAE)
    model = catalogue.models["mine"]
    assert model.vae_path(tmp_path) == tmp_path / "models" / "my-vae" / "vae.safetensors"
    assert model.vae_config_path(tmp_path) == catalogue["tiny"].path(tmp_path) / "vae"


def test_the_usual_configuration_of_stable_diffusion_needs_no_word(tmp_path: Path) -> None:
    names = (("tiny-motion", "animatediff-v1-5-2"), ("tiny-film", "film"), ("tiny-esrgan", "real-esrgan-plus"))
    text = MINE.replace('configuration = "tiny"\n', "").replace('family = "tiny"', 'family = "sd15"')
    for ours, theirs in names:
        text = text.replace(ours, theirs)
    catalogue = load(tmp_path, text)
    assert catalogue.models["mine"].base_path(tmp_path) == tmp_path / "models" / "sd15-configuration"
    assert {entry.id for entry in catalogue.with_needs("mine")} >= {"sd15-configuration", "animatediff-v1-5-2"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mine.safetensors"', '"mine.ckpt"', "'weights' must be a .safetensors file, not 'mine.ckpt'"),
        ('configuration = "tiny"\n', "", "'configuration' is missing"),
        ('configuration = "tiny"', 'configuration = "film"', "'configuration' names 'film', which is not in"),
        ('configuration = "tiny"', 'configuration = "mine"', "'configuration' names 'mine', which is not in"),
        ('configuration = "tiny"', 'configuration = "epicrealism"', "which is of family 'sd15', not 'tiny'"),
        ('weights = "mine.safetensors"\n', "", "'configuration' goes with 'weights'"),
        ('licence = "MIT"', 'licence = "MIT"\nvae = "none"', "'vae' names 'none', which is not in the catalogue"),
        ('licence = "MIT"', 'licence = "MIT"\nvae_repo = "a/b"', "'weights' does not go with vae_repo"),
        ('licence = "MIT"', 'licence = "MIT"\nvae_repo = "a/b"\nvae = "none"', "'vae' and 'vae_repo' both replace"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINE
    with pytest.raises(CatalogueError, match=re.escape(message)):
        load(tmp_path, MINE.replace(old, new))


def test_a_gguf_file_has_everything_else_from_a_model_of_its_pipeline(tmp_path: Path) -> None:
    catalogue = load(tmp_path, GGUF)
    model = catalogue.models["packed"]
    assert model.is_gguf
    assert model.files == ("wan-Q4_K_M.gguf",)
    assert model.base_path(tmp_path) == tmp_path / "models" / "wan2-1-t2v-1-3b"
    assert "wan2-1-t2v-1-3b" in model.needs
    assert not catalogue.models["wan2-1-t2v-1-3b"].is_gguf
    assert not load(tmp_path, MINE).models["mine"].is_gguf


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wan-Q4_K_M.gguf", "wan-Q4_K_M.ggml", "must be a .gguf file, not 'wan-Q4_K_M.ggml'"),
        ("wan-Q4_K_M.gguf", "wan.safetensors", "'weights' must be a .gguf file, not 'wan.safetensors'"),
        ('"WanPipeline"', '"HunyuanVideo15Pipeline"', "'weights' does not go with HunyuanVideo15Pipeline"),
        ('"WanPipeline"', '"LTXPipeline"', "'configuration' names 'wan2-1-t2v-1-3b', which is not in the catalogue"),
        ('configuration = "wan2-1-t2v-1-3b"\n', "", "'configuration' is missing"),
    ],
)
def test_a_mistake_about_a_gguf_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GGUF
    with pytest.raises(CatalogueError, match=re.escape(message)):
        load(tmp_path, GGUF.replace(old, new))


def test_animatediff_and_vaes_have_no_gguf_files(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=re.escape("must be a .safetensors file, not 'mine.gguf'")):
        load(tmp_path, MINE.replace("mine.safetensors", "mine.gguf"))
    with pytest.raises(CatalogueError, match=re.escape("must be a .safetensors file, not 'vae.gguf'")):
        load(tmp_path, MINE + VAE.replace("vae.safetensors", "vae.gguf"))


def test_the_table_of_its_family_says_nothing_of_a_gguf_file(tmp_path: Path) -> None:
    """It is about half precision. What the entry says counts, also for a variant at another rate."""
    fast = '[models.packed-fast]\nvariant_of = "packed"\nlabel = "Fast"\nnative_fps = 8\n'
    models = load(tmp_path, f"{GGUF}memory_gb = 7\n{fast}").models
    whole = models["wan2-1-t2v-1-3b"]
    assert card_memory.needs(whole, 832, 480, 81)
    for id in ("packed", "packed-fast"):
        assert card_memory.needs(models[id], 832, 480, 81) == {}
        assert models[id].memory_gb == 7
    silent = load(tmp_path, GGUF).models["packed"]
    assert (card_memory.needs(silent, 832, 480, 81), silent.memory_gb) == ({}, 0)


def test_the_guide_is_followed_literally(tmp_path: Path) -> None:
    """Its entry, with the folder here, is complete but for what `fetch_models` fetches, and is then offered."""
    block = re.search(r"<!-- a single file -->\n```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert block is not None
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "watercolours_v3.safetensors").touch()
    catalogue = load(tmp_path, block[1].replace("/data/checkpoints", str(folder)))
    model = catalogue.models["our-watercolours"]
    assert model.weights_path(tmp_path) == folder / "watercolours_v3.safetensors"
    assert model.missing_files(tmp_path) == ()
    fetched = {entry.id for entry in catalogue.with_needs(model.id) if entry.sources()}
    assert fetched == {"sd15-configuration", "sd-vae-ft-mse", "animatediff-v1-5-2", "film", "real-esrgan-plus"}
    for entry in model.relies_on:
        for name in entry.local_files():
            (entry.path(tmp_path) / name).parent.mkdir(parents=True, exist_ok=True)
            (entry.path(tmp_path) / name).touch()
    assert model.is_available(tmp_path)


def test_fetching_a_single_file_records_it_before_its_configuration_is_there(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "mine.safetensors").write_bytes(b"weights")
    (tmp_path / "extra.toml").write_text(MINE)
    done = subprocess.run(
        [sys.executable, "manage.py", "fetch_models", "mine"],
        cwd=ROOT,
        env={**os.environ, "AURAVIDEO_HOME": str(tmp_path), "AURAVIDEO_CATALOGUE": str(tmp_path / "extra.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"mine: here, in {tmp_path}/models/mine" in done.stdout


def test_our_entry_with_a_gguf_file_in_its_place_no_longer_says_what_half_precision_needs(tmp_path: Path) -> None:
    mine = '[models.ltx-video-2b-distilled]\nweights = "ltxv-2b-Q8_0.gguf"\nfolder = "/data/gguf"\n'
    shipped, packed = (load(tmp_path, text).models["ltx-video-2b-distilled"] for text in ("", mine))
    assert shipped.memory_gb > 0
    assert (packed.is_gguf, packed.memory_gb) == (True, 0)
    assert load(tmp_path, f"{mine}memory_gb = 7\n").models["ltx-video-2b-distilled"].memory_gb == 7
