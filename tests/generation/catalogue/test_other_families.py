"""Entries of models that make clips by themselves, and variants that use another entry's files."""

from pathlib import Path

import pytest

from generation.catalogue.load import Catalogue, CatalogueError, load_catalogue
from generation.requests.limits import Limits
from generation.requests.request import InvalidRequest, parse

WAVES = """
[models.waves]
label = "Waves"
purpose = "For tests."
family = "waves"
pipeline = "WanPipeline"
repo = "me/waves"
files = ["model_index.json", "vae/config.json"]
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
precisions = { vae = "float32" }
call = { max_sequence_length = 512 }
notice = "Read this first."
"""
FAST = """
[models.waves-fast]
variant_of = "waves"
label = "Waves, 4 steps"
steps = 4
guidance = 1
guided = false
lora = "waves-lora"
lora_weight = 0.9

[styles.waves-lora]
label = "Four steps"
purpose = "For tests."
family = "waves"
repo = "me/lora"
weights = "four.safetensors"
licence = "MIT"
"""


def load(folder: Path, text: str) -> Catalogue:
    file = folder / "mine.toml"
    file.write_text(text)
    return load_catalogue(file)


def test_a_model_of_another_family_needs_no_motion_adapter(tmp_path: Path) -> None:
    catalogue = load(tmp_path, WAVES)
    model = catalogue.models["waves"]
    assert (model.adapter, model.is_animatediff) == (None, False)
    assert catalogue.adapters_for(model) == ()
    assert model.needs == ("tiny-film", "tiny-esrgan")
    assert (model.precisions["vae"], model.call["max_sequence_length"]) == ("float32", 512)
    assert model.notice == "Read this first."


def test_a_model_has_the_sizes_that_it_was_trained_at_by_shape(tmp_path: Path) -> None:
    sizes = "native_sizes = { '16:9' = '832x480', '9:16' = '480x832' }\n"
    models = load(tmp_path, WAVES + sizes + FAST).models
    for model in (models["waves"], models["waves-fast"]):
        assert dict(model.native_sizes) == {"16:9": (832, 480), "9:16": (480, 832)}
        assert model.usual_aspect == "16:9"
        assert [model.native_side(aspect) for aspect in ("16:9", "9:16", "1:1", "custom")] == [480] * 4
    assert (models["tiny"].native_sizes, models["tiny"].usual_aspect) == ({}, "1:1")


def test_an_operators_entry_takes_native_sizes_away_again(tmp_path: Path) -> None:
    named = "[models.wan2-1-t2v-1-3b]\nnative_sizes = {}\n"
    assert load(tmp_path, named).models["wan2-1-t2v-1-3b"].usual_aspect == "1:1"


@pytest.mark.parametrize("said", ["native_size = 720\nmin_size = 512", "side_multiple = 32"])
def test_an_entry_for_other_sizes_does_not_have_our_native_sizes(tmp_path: Path, said: str) -> None:
    own = f"[models.hunyuanvideo-1-5]\nrepo = 'me/for-720p'\n{said}\n"
    variant = f"[models.taller]\nvariant_of = 'hunyuanvideo-1-5'\nlabel = 'Taller'\n{said}\n"
    assert load(tmp_path, own).models["hunyuanvideo-1-5"].native_sizes == {}
    assert load(tmp_path, variant).models["taller"].native_sizes == {}
    named = own + "native_sizes = { '16:9' = '1280x736' }\n"
    assert load(tmp_path, named).models["hunyuanvideo-1-5"].native_sizes == {"16:9": (1280, 736)}
    same = "[models.hunyuanvideo-1-5]\nnative_size = 480\nsteps = 30\n"
    assert len(load(tmp_path, same).models["hunyuanvideo-1-5"].native_sizes) == 5


def test_a_folder_can_come_from_another_repository(tmp_path: Path) -> None:
    commit = "a" * 40
    parts = f"[models.waves.parts.vae]\nrepo = 'them/vae'\nrevision = '{commit}'\n"
    own, vae = load(tmp_path, WAVES + parts).models["waves"].sources()
    assert (own.repo, list(own.files)) == ("me/waves", ["model_index.json"])
    assert (vae.repo, vae.revision, list(vae.files)) == ("them/vae", commit, ["vae/config.json"])
    with pytest.raises(CatalogueError, match="parts 'vae': field 'repo' is missing"):
        load(tmp_path, WAVES + f"[models.waves.parts.vae]\nrevision = '{commit}'\n")


def test_a_variant_uses_the_files_of_its_model_and_says_only_what_differs(tmp_path: Path) -> None:
    catalogue = load(tmp_path, WAVES + FAST)
    model, fast = catalogue.models["waves"], catalogue.models["waves-fast"]
    assert (fast.steps, fast.guidance, fast.is_guided, fast.label) == (4, 1, False, "Waves, 4 steps")
    assert (fast.native_fps, fast.frame_rule, fast.pipeline) == (16, model.frame_rule, "WanPipeline")
    assert fast.path(tmp_path) == model.path(tmp_path)
    assert fast.sources() == (), "they are fetched once, with the model's entry"
    assert {entry.id for entry in catalogue.with_needs("waves-fast")} >= {"waves", "waves-lora"}
    assert fast.lora == ("waves-lora", 0.9)


def test_a_variant_of_the_default_model_is_not_the_default(tmp_path: Path) -> None:
    catalogue = load(tmp_path, "[models.tiny-fast]\nvariant_of = 'tiny'\nlabel = 'Tiny, fast'\nsteps = 4\n")
    assert catalogue.default_model.id == "tiny"
    assert catalogue.models["tiny-fast"].is_available(tmp_path), "the bundled files are its files"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('pipeline = "WanPipeline"\n', ""), "'adapter' is missing"),
        (('"WanPipeline"', '"WanPipeline"\nadapter = "tiny-motion"'), "'adapter' does not go with WanPipeline"),
        (("WanPipeline", "ShellPipeline"), "'pipeline' must be one of AnimateDiffPipeline, "),
        (('files = ["model_index.json", "vae/config.json"]\n', ""), "'files' is missing"),
        (("steps = 50", "steps = 50\nclip_skip = 2"), "'clip_skip' does not go with WanPipeline"),
        (('vae = "float32"', 'vae = "int4"'), "'precisions' must give one of float32, bfloat16, float16"),
        (("max_sequence_length = 512", "prompt = 'x'"), "'call' cannot set 'prompt'"),
        (("max_sequence_length = 512", "num_videos_per_prompt = 50"), "'call' cannot set 'num_videos_per_prompt'"),
        (("max_sequence_length = 512", "day = 2026-01-01"), "'call' cannot set 'day'"),
        (("max_sequence_length = 512", "scale = nan"), "'call' cannot set 'scale'"),
        (("max_sequence_length = 512", "scale = [1.0, inf]"), "'call' cannot set 'scale'"),
        (("max_sequence_length = 512", "parts = [{ a = 1 }]"), "'call' cannot set 'parts'"),
        (("max_sequence_length = 512", "timesteps = 1000"), "'call' cannot set 'timesteps'"),
        (
            ("max_sequence_length", "max_sequence_lenght"),
            "'waves': field 'call' names 'max_sequence_lenght'",
        ),
        (("max_sequence_length", "decode_timestep"), "there are guidance_scale_2, max_sequence_length$"),
        (("flow_shift", "flow_shfit"), "'scheduler' names 'flow_shfit', which UniPCMultistepScheduler does not have"),
        (("UniPCMultistepScheduler", "HeunDiscreteScheduler"), "'scheduler' must name one of CogVideoXDDIMScheduler, "),
        (("UniPCMultistepScheduler", "LCMScheduler"), "under 'class', not 'LCMScheduler'"),
        (('{ vae = "float32" }', '{ vea = "float32" }'), "'precisions' names 'vea', which WanPipeline does not have"),
        (
            ('{ vae = "float32" }', '{ tokenizer = "float32" }'),
            "there are text_encoder, vae, transformer, ",
        ),
        (
            ("notice =", 'parts = { vea = { repo = "a/b" } }\nnotice ='),
            "'parts' names 'vea', which 'files' does",
        ),
        (
            ("notice =", 'vae_repo = "a/b"\nparts = { vae = { repo = "a/b" } }\nnotice ='),
            "'parts' and 'vae_repo'",
        ),
        (("steps = 50", "native_sizes = '832x480'\nsteps = 50"), "'native_sizes' must be a table"),
        (("steps = 50", "native_sizes = {'4:3' = '640x480'}\nsteps = 50"), "for some of 16:9, .*, 9:16, not for '4:3'"),
        (("steps = 50", "native_sizes = {'16:9' = '832*480'}\nsteps = 50"), "'16:9' a size of 8 to 4096 .*'832\\*480'"),
        (("steps = 50", "native_sizes = {'16:9' = 480}\nsteps = 50"), "'16:9' a size of 8 to 4096 pixels .* not 480"),
        (("steps = 50", "native_sizes = {'1:1' = '0x0'}\nsteps = 50"), "'1:1' a size of 8 to 4096 pixels .* '0x0'"),
        (("steps = 50", "native_sizes = {'1:1' = '8192x8192'}\nsteps = 50"), "'1:1' a size of 8 to 4096 pixels"),
        (("steps = 50", "native_sizes = {'16:9' = '480x832'}\nsteps = 50"), "about that shape, not '480x832'"),
        (("steps = 50", "native_sizes = {'16:9' = '640x480'}\nsteps = 50"), "about that shape, not '640x480'"),
        (
            ("steps = 50", "native_sizes = {'16:9' = '840x480'}\nsteps = 50"),
            "multiples of 16, not '840x480' for '16:9'",
        ),
        (
            ("steps = 50", "native_sizes = {'1:1' = '240x240'}\nsteps = 50"),
            r"below min_size \(256\): '240x240' for '1:1'",
        ),
        (("files = [", 'sha256 = { "../x" = "0" }\nfiles = ['), "'sha256' must be of paths within"),
        (("files = [", 'vocabulary = "../words.json"\nfiles = ['), "'vocabulary' must be a path within"),
    ],
)
def test_what_an_entry_says_wrongly_is_named(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    assert change[0] in WAVES
    with pytest.raises(CatalogueError, match=told):
        load(tmp_path, WAVES.replace(*change))


@pytest.mark.parametrize("field", ["call = { eta = 0.5 }", 'precisions = { vae = "float32" }'])
def test_what_nothing_would_read_of_an_animatediff_model_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(CatalogueError, match=r"'tiny': field '(call|precisions)' does not go with AnimateDiffPipeline"):
        load(tmp_path, f"[models.tiny]\n{field}\n")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ('files = ["*"]', r"'parts' names 'vae', which 'files' does not have; there are none$"),
        ('files = ["*/*"]', r"'parts' names 'vae', which 'files' does not have; there are none$"),
        ('files = ["vae/*", "*/*.json"]', ""),
    ],
)
def test_a_folder_from_elsewhere_has_to_be_named_in_the_files(tmp_path: Path, files: str, told: str) -> None:
    text = WAVES.replace('files = ["model_index.json", "vae/config.json"]', files)
    text += "[models.waves.parts.vae]\nrepo = 'them/vae'\n"
    if not told:
        assert [source.repo for source in load(tmp_path, text).models["waves"].sources()] == ["me/waves", "them/vae"]
        return
    with pytest.raises(CatalogueError, match=told):
        load(tmp_path, text)


def test_a_single_file_has_no_folders_that_come_from_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="'parts' does not go with weights"):
        load(tmp_path, "[models.ltx-video-2b-distilled.parts.vae]\nrepo = 'them/vae'\n")


@pytest.mark.parametrize("kind", ["models.tiny", "adapters.tiny-motion"])
def test_a_misspelt_option_of_a_scheduler_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CatalogueError, match="'scheduler' names 'clip_smaple', which DDIMScheduler"):
        load(tmp_path, f"[{kind}]\nscheduler = {{ class = 'DDIMScheduler', clip_smaple = false }}\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('variant_of = "waves"', 'variant_of = "wave"'), "'variant_of' names 'wave', which is not"),
        (('lora = "waves-lora"', 'lora = "other"'), "'lora' names 'other', which is not in the catalogue"),
    ],
)
def test_what_a_variant_says_wrongly_is_named(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    assert change[0] in FAST
    with pytest.raises(CatalogueError, match=told):
        load(tmp_path, WAVES + FAST.replace(*change))


def test_a_variant_of_a_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="'waves-fast', which is itself a variant"):
        load(tmp_path, WAVES + FAST + "[models.faster]\nvariant_of = 'waves-fast'\nlabel = 'Faster'\n")


def test_a_request_for_it_names_no_motion_adapter(tmp_path: Path) -> None:
    catalogue = load(tmp_path, WAVES)
    request = parse({"prompt": "a wave", "model": "waves", "fps": 16}, catalogue, Limits())
    assert (request.motion_adapter, request.steps) == ("", 50)
    with pytest.raises(InvalidRequest) as caught:
        parse({"prompt": "a wave", "model": "waves", "motion_adapter": "tiny-motion"}, catalogue, Limits())
    assert "needs no motion adapter" in str(caught.value)
