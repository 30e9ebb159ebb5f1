"""The catalogue: its entries, their consistency, and errors that name file, entry and field."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.catalogue import entries, lockfile
from generation.catalogue.entries import matches
from generation.catalogue.load import (
    KINDS,
    SHIPPED,
    Catalogue,
    CatalogueError,
    CurrentCatalogue,
    _build,
    _load,
    load_catalogue,
)
from generation.catalogue.readers import _ADAPTER_FILES, _DIFFUSERS_FILES, _VAE_FILES
from generation.domain.errors import RenderError
from tests.costs import at_most

MODEL = """
[models.mine]
label = "Mine"
purpose = "For tests."
family = "sd15"
repo = "me/mine"
licence = "MIT"
native_size = 512
min_size = 256
native_fps = 8
steps = 25
guidance = 7.5
scheduler = { class = "DDIMScheduler" }
adapter = "animatediff-v1-5-2"
interpolator = "film"
upscaler = "real-esrgan-video"
"""


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue()


def extra(folder: Path, text: str) -> Catalogue:
    path = folder / "extra.toml"
    path.write_text(text, encoding="utf-8")
    _load.cache_clear()
    return load_catalogue(path)


def test_the_tiny_models_are_what_a_fresh_site_starts_with(catalogue: Catalogue) -> None:
    tiny = catalogue.default_model
    assert (tiny.id, tiny.native_size, tiny.min_size, tiny.native_fps) == ("tiny", 64, 64, 8)
    needed = catalogue.with_needs("tiny")
    assert [entry.id for entry in needed] == ["tiny", "tiny-motion", "tiny-film", "tiny-esrgan"]
    assert all(entry.builtin for entry in needed), "nothing has to be downloaded for a first clip"
    assert set(catalogue.upscalers["tiny-esrgan"].scales) == {2, 4}


def test_the_entries_of_the_tiny_models_match_their_files(catalogue: Catalogue, tmp_path: Path) -> None:
    tiny, motion = catalogue.models["tiny"], catalogue.adapters["tiny-motion"]
    text = json.loads((tiny.path(tmp_path) / "text_encoder/config.json").read_text())
    assert tiny.max_prompt_tokens == text["max_position_embeddings"]
    assert motion.max_frames == json.loads((motion.path(tmp_path) / "config.json").read_text())["motion_max_seq_length"]
    trained_with = json.loads((tiny.path(tmp_path) / "scheduler/scheduler_config.json").read_text())
    changed = {field for field in tiny.scheduler if field != "class" and tiny.scheduler[field] != trained_with[field]}
    assert not changed, "another noise schedule than the one of its training would spoil every clip"


def test_every_full_size_model_of_the_field_that_we_promise_is_listed(catalogue: Catalogue) -> None:
    assert set(catalogue.models) >= {"stable-diffusion-v1-5", "epicrealism", "realistic-vision-v5-1", "dreamshaper-8"}
    assert set(catalogue.adapters) >= {
        "animatediff-v1-5-2",
        "animatediff-v1-5-3",
        "animatelcm",
        "animatediff-lightning-4step",
    }
    moves = {lora.id for lora in catalogue.loras_for(catalogue.adapters["animatediff-v1-5-2"])}
    assert moves == {
        *("zoom-in", "zoom-out", "pan-left", "pan-right", "tilt-up", "tilt-down"),
        *("rolling-clockwise", "rolling-anticlockwise"),
    }


def test_few_step_adapters_bring_their_scheduler_steps_guidance_and_lora(catalogue: Catalogue) -> None:
    lcm = catalogue.adapters["animatelcm"]
    assert (lcm.scheduler["class"], lcm.steps, lcm.guidance, lcm.lora) == (
        "LCMScheduler",
        6,
        1.5,
        ("animatelcm-lora", 0.8),
    )
    assert catalogue.loras["animatelcm-lora"] in catalogue.with_needs("animatelcm")
    lightning = catalogue.adapters["animatediff-lightning-4step"]
    assert (lightning.scheduler["class"], lightning.steps, lightning.guidance) == ("EulerDiscreteScheduler", 4, 1.0)
    assert lightning.scheduler["timestep_spacing"] == "trailing"


def test_what_belongs_to_an_adapter_is_offered_to_nobody(catalogue: Catalogue) -> None:
    lora = catalogue.loras["animatelcm-lora"]
    assert not any(lora.compatible(adapter) for adapter in catalogue.adapters.values())


def test_only_what_was_made_for_each_other_is_compatible(catalogue: Catalogue) -> None:
    tiny, large = catalogue.models["tiny"], catalogue.models["epicrealism"]
    assert [adapter.id for adapter in catalogue.adapters_for(tiny)] == ["tiny-motion"]
    assert "tiny-motion" not in {adapter.id for adapter in catalogue.adapters_for(large)}
    assert large.compatible(catalogue.adapters["animatelcm"])
    assert not catalogue.loras["zoom-in"].compatible(catalogue.adapters["animatediff-v1-5-3"])
    assert catalogue.loras["zoom-in"].compatible(large)
    assert not catalogue.loras["zoom-in"].compatible(tiny)
    assert large.compatible(catalogue.upscalers["tiny-esrgan"]), "any clip can be enlarged by any upscaler"


def test_a_model_without_its_own_vae_gets_the_other_ones_files_in_its_place(catalogue: Catalogue) -> None:
    own, vae = catalogue.models["realistic-vision-v5-1"].sources()
    assert not any(name.startswith("vae/") for name in own.files)
    assert vae.repo == "stabilityai/sd-vae-ft-mse"
    assert vae.files["vae/config.json"] == "config.json"


def test_the_variant_is_in_the_names_of_the_weights_only(catalogue: Catalogue) -> None:
    (source,) = catalogue.models["stable-diffusion-v1-5"].sources()
    weights = {name for name in source.files if name.endswith(".safetensors")}
    assert weights == {
        "text_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }
    assert "unet/config.json" in source.files


def test_where_the_files_are(catalogue: Catalogue, tmp_path: Path) -> None:
    assert catalogue["zoom-in"].path(tmp_path) == tmp_path / "models" / "zoom-in"
    assert catalogue["tiny"].path(tmp_path) == entries.BUILTIN_MODELS / "text-to-video"
    assert catalogue.loras["zoom-in"].weights_path(tmp_path).name == "diffusion_pytorch_model.safetensors"
    paths = catalogue.upscalers["real-esrgan-video"].paths(tmp_path)
    assert paths[4] == tmp_path / "models/real-esrgan-video/realesr-animevideov3.pth"


def test_a_model_is_available_when_all_files_are_there_at_the_locked_size(catalogue: Catalogue, tmp_path: Path) -> None:
    lora = catalogue.loras["zoom-in"]
    assert not lora.is_available(tmp_path)
    path = lora.weights_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert lora.is_available(tmp_path)
    lockfile.write_lock(tmp_path, lora.id, {"sources": [], "files": {path.name: {"size": 8, "sha256": "0" * 64}}})
    assert lora.missing(tmp_path) == (path.name,)
    path.write_bytes(b"weights!")
    assert lora.is_available(tmp_path)


def test_a_missing_file_that_the_lock_knows_is_missing_not_corrupt(catalogue: Catalogue, tmp_path: Path) -> None:
    lora = catalogue.loras["zoom-in"]
    name = lora.weights
    lockfile.write_lock(tmp_path, lora.id, {"sources": [], "files": {name: {"size": 8, "sha256": "0" * 64}}})
    with pytest.raises(RenderError) as caught:
        lockfile.verify(lora, tmp_path)
    assert caught.value.id == "model-missing"


def test_the_lock_keeps_the_other_models(tmp_path: Path) -> None:
    for id in ("one", "two", "one"):
        lockfile.write_lock(tmp_path, id, {"sources": [], "files": {}})
    assert sorted(lockfile.read_lock(tmp_path)) == ["one", "two"]
    assert json.loads(lockfile.lock_path(tmp_path).read_text())["version"] == 1


def test_a_lock_that_reaches_outside_its_folder_is_not_a_lock(tmp_path: Path) -> None:
    for name in ("/etc/passwd", "../other/weights"):
        text = json.dumps({"version": 1, "models": {"x": {"files": {name: {"size": 1, "sha256": "0"}}}}})
        path = lockfile.lock_path(tmp_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        with pytest.raises(RenderError):
            lockfile.read_lock(tmp_path)
        path.unlink()


def test_an_operators_file_adds_an_entry(tmp_path: Path) -> None:
    catalogue = extra(tmp_path, MODEL)
    assert catalogue.models["mine"].repo == "me/mine"
    assert "unet/diffusion_pytorch_model.safetensors" in catalogue.models["mine"].files
    assert catalogue.default_model.id == "tiny"
    assert "mine" not in load_catalogue().models, "and only where it is asked for"


def test_an_operators_file_changes_the_fields_it_names(tmp_path: Path) -> None:
    catalogue = extra(tmp_path, "[models.epicrealism]\nsteps = 12\ndefault = true\n")
    assert catalogue.models["epicrealism"].steps == 12
    assert catalogue.models["epicrealism"].guidance == 7.5
    assert catalogue.default_model.id == "epicrealism", "theirs takes the place of ours"


def test_the_examples_of_the_manual_work(tmp_path: Path) -> None:
    manual = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    # Indented ones are steps of a guide: tests/workers/engines/families/test_guide.py follows it.
    examples = re.findall(r"^```toml\n(.*?)```", manual, re.DOTALL | re.MULTILINE)
    of_the_inbox = "[models.watercolours-v3]"  # tests/generation/inbox/test_guide.py approves that first
    whole = [example for example in examples if not example.startswith(of_the_inbox)]
    assert len(whole) == len(examples) - 1
    cartoons, default, _single, upscaler, style, embedding = (extra(tmp_path, example) for example in whole)
    assert cartoons.models["our-cartoons"].adapter == "animatediff-v1-5-2"
    assert default.default_model.id == "epicrealism"
    assert upscaler.models["epicrealism"].upscaler == "real-esrgan-video"
    assert [ink.id for ink in style.styles_for(style.models["epicrealism"])] == ["ink"]
    assert embedding.embeddings_in(embedding.models["epicrealism"], "bad-hands-5") == (embedding["bad-hands"],)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("steps = 25", "steps = 0"), "models 'mine': field 'steps' must be a whole number from 1 to 200, not 0"),
        (("steps = 25", 'steps = "25"'), "field 'steps' must be a whole number"),
        (("steps = 25", "steps = true"), "field 'steps' must be a whole number"),
        (("guidance = 7.5", "guidance = nan"), "field 'guidance' must be a number"),
        (("guidance = 7.5", "guidance = inf"), "field 'guidance' must be a number"),
        (('label = "Mine"', ""), "field 'label' is missing"),
        (('label = "Mine"', 'label = " "'), "field 'label' must be a text that is not empty"),
        (('label = "Mine"', 'label = "Mine"\nlable = "Mine"'), "field 'lable' is not known here; there are adapter,"),
        (('repo = "me/mine"', 'repo = "mine"'), "field 'repo' must be a repository's name"),
        (('repo = "me/mine"', 'repo = "../../etc"'), "field 'repo' must be a repository's name"),
        (('repo = "me/mine"', 'repo = "me/.."'), "field 'repo' must be a repository's name"),
        (('repo = "me/mine"', 'repo = "../mine"'), "field 'repo' must be a repository's name"),
        (('repo = "me/mine"', 'repo = "-me/mine"'), "field 'repo' must be a repository's name"),
        (('repo = "me/mine"', 'repo = "me/mine"\nfiles = ["~/x"]'), "field 'files' must be paths within"),
        (('repo = "me/mine"', 'repo = "me/mine"\nrevision = "main"'), "field 'revision' must be a full commit hash"),
        (('repo = "me/mine"', 'repo = "me/mine"\nfiles = ["../x"]'), "field 'files' must be paths within"),
        (('repo = "me/mine"', 'repo = "me/mine"\nfiles = []'), "field 'files' must name a file"),
        (('repo = "me/mine"', 'repo = "me/mine"\nsha256 = { a = "no" }'), "field 'sha256' must give 64"),
        (("native_size = 512", "native_size = 500"), "field 'native_size' must be a multiple of 8"),
        (("min_size = 256", "min_size = 1024"), "field 'min_size' must not be above native_size (512)"),
        (('{ class = "DDIMScheduler" }', "{ steps_offset = 1 }"), "field 'scheduler' must name a diffusers scheduler"),
        (('adapter = "animatediff-v1-5-2"', 'adapter = "none"'), "field 'adapter' names 'none', which is not in"),
        (('adapter = "animatediff-v1-5-2"', 'adapter = "tiny-motion"'), "is of family 'tiny', not 'sd15'"),
        (("[models.mine]", "[models.Mine]"), "an id is made of small letters"),
        (("[models.mine]", "[models.film]"), "the id is taken already"),
        (("[models.mine]", "[model.mine]"), "'model' is no kind of entry"),
        (("steps = 25", "steps = "), "this is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_entry_and_field(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    with pytest.raises(CatalogueError) as caught:
        extra(tmp_path, MODEL.replace(*change))
    assert complaint in str(caught.value)
    assert "extra.toml" in str(caught.value)


@pytest.mark.parametrize("id", ["tiny", "tiny-motion", "zoom-in", "tiny-film", "tiny-esrgan"])
def test_an_unknown_field_is_refused_and_the_known_are_named(catalogue: Catalogue, tmp_path: Path, id: str) -> None:
    kind = catalogue[id].kind
    used = {field for entry in tomllib.loads(SHIPPED.read_text(encoding="utf-8"))[kind].values() for field in entry}
    assert used
    with pytest.raises(CatalogueError, match="field 'colour' is not known here; there are ") as caught:
        extra(tmp_path, f"[{kind}.{id}]\ncolour = 'red'\n")
    assert used <= set(str(caught.value).partition("there are ")[2].split(", "))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"nowhere\.toml.*No such file"):
        load_catalogue(tmp_path / "nowhere.toml")


def test_entries_are_immutable_and_hashable(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError):
        catalogue.models["tiny"].scheduler["class"] = "Other"
    with pytest.raises(AttributeError):
        catalogue.models["tiny"].steps = 1
    assert len(set(catalogue)) == len(list(catalogue)), "and they can be keys"


@given(st.dictionaries(st.sampled_from(sorted(tomllib.loads(MODEL)["models"]["mine"])), st.none() | st.integers()))
def test_no_value_of_the_wrong_kind_gets_through_or_crashes(values: dict[str, Any]) -> None:
    from generation.catalogue.readers import READERS
    from generation.catalogue.toml_table import Table

    fields = {**tomllib.loads(MODEL)["models"]["mine"], **values}
    try:
        model = READERS["models"]("mine", Table("here", fields))
    except CatalogueError as error:
        assert "here: field '" in str(error)
    else:
        assert isinstance(model.steps, int)
        assert isinstance(model.label, str)


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("unet/a.safetensors", "unet/*.safetensors", True),
        ("unet/deeper/a.safetensors", "unet/*.safetensors", False),
        ("a.json", "*.json", True),
        ("vae/a.json", "*.json", False),
        ("config.json", "config.json", True),
        ("config.jsonx", "config.json", False),
    ],
)
def test_a_pattern_stays_in_its_folder(name: str, pattern: str, fits: bool) -> None:
    assert matches(name, pattern) is fits


def test_the_shipped_file_pins_full_commits_and_checks_copies_of_others() -> None:
    data = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    copies = [entry for entry in data["upscalers"].values() if entry.get("repo") == "leonelhs/realesrgan"]
    assert copies
    assert all(set(entry["sha256"]) == set(entry["scales"].values()) for entry in copies)


def test_the_catalogue_loads_without_torch_tensorflow_or_the_database() -> None:
    import subprocess
    import sys

    script = (
        "import sys\nfrom generation.catalogue.load import load_catalogue\nload_catalogue()\n"
        "print(sorted({'torch', 'tensorflow', 'django.db.models', 'huggingface_hub'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- The manual -----------------------------------------------------------------------------------------------------

MANUAL = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
COMMON = """label = "Mine"
purpose = "For tests."
family = "any"
licence = "MIT"
"""
# kind -> the least that makes an entry
LEAST = {
    "models": f"""{COMMON}native_size = 512
min_size = 256
native_fps = 8
steps = 25
guidance = 7.5
scheduler = {{ class = "DDIMScheduler" }}
adapter = "animatediff-v1-5-2"
interpolator = "film"
upscaler = "real-esrgan-video"
""",
    "configurations": COMMON,
    "vaes": COMMON,
    "adapters": f"{COMMON}context_length = 16\ncontext_stride = 4\nmax_frames = 32\n",
    "loras": f'{COMMON}adapters = ["animatediff-v1-5-2"]\n',
    "styles": f'{COMMON}weights = "mine.safetensors"\n',
    "embeddings": f'{COMMON}weights = "mine.safetensors"\n',
    "interpolators": f'{COMMON}files = ["saved_model.pb"]\n',
    "upscalers": f'{COMMON}scales = {{ 2 = "x2.pth" }}\n',
}


def required(kind: str) -> set[str]:
    """Return the fields without which an entry is refused."""
    fields = tomllib.loads(LEAST[kind])
    found = set()
    for field in fields:
        table = {name: value for name, value in fields.items() if name != field}
        try:
            _build({**{kind: {} for kind in KINDS}, kind: {"mine": table}}, {(kind, "mine"): "extra.toml"})
        except CatalogueError as error:
            if f"field '{field}' is missing" in str(error):
                found.add(field)
    return found


def documented_as_required(heading: str) -> set[str]:
    section = MANUAL.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    return set(re.findall(r"`(\w+)`", section.partition("Required: ")[2].partition(".")[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_manual_lists_the_required_fields(tmp_path: Path, kind: str) -> None:
    assert extra(tmp_path, f"[{kind}.mine]\n{LEAST[kind]}")["mine"].kind == kind
    common = documented_as_required("Fields of every entry")
    assert common == set(tomllib.loads(COMMON))
    sections = {"models": "`models`", "adapters": "`adapters`"}
    sections |= dict.fromkeys(("configurations", "vaes"), "`configurations`, `vaes`")
    own = sections.get(kind, "`loras`, `styles`, `embeddings`, `interpolators`, `upscalers`")
    needed = required(kind) - common
    assert needed or kind in ("configurations", "vaes"), "the search found nothing"
    assert needed <= documented_as_required(own)
    if kind in ("models", "adapters"):
        assert documented_as_required(own) == needed


def test_the_manual_lists_the_default_files() -> None:
    rows = MANUAL.partition("### Default `files`\n")[2].partition("\n### ")[0].splitlines()
    listed = {row.split("`")[1]: row.partition(" | ")[2] for row in rows if row.startswith("| `")}
    assert set(listed) == set(KINDS)
    layouts = {"models": _DIFFUSERS_FILES, "adapters": _ADAPTER_FILES, "vaes": _VAE_FILES}
    for kind, files in layouts.items():
        assert tuple(re.findall(r"`([\w/{}]+\.(?:json|txt|safetensors))`", listed[kind])) == files


# --- A model that the operator has ----------------------------------------------------------------------------------


def test_an_entry_needs_no_repository(tmp_path: Path) -> None:
    mine = extra(tmp_path, MODEL.replace('repo = "me/mine"\n', ""))["mine"]
    assert mine.sources() == ()
    assert mine.path(tmp_path) == tmp_path / "models" / "mine"
    assert "unet/config.json" in mine.missing(tmp_path)


def test_an_entry_may_name_its_folder(tmp_path: Path) -> None:
    mine = extra(tmp_path, MODEL + f'folder = "{tmp_path}/elsewhere"\n')["mine"]
    assert mine.path("/home") == tmp_path / "elsewhere"
    with pytest.raises(CatalogueError, match="field 'folder' must be a path that begins with /"):
        extra(tmp_path, MODEL + 'folder = "elsewhere"\n')


# --- A file that changes while the site runs ------------------------------------------------------------------------


def test_a_running_site_follows_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, current = tmp_path / "extra.toml", CurrentCatalogue()
    path.write_text(MODEL)
    assert current.get(path)["mine"].english_label == "Mine"
    assert current.get(path) is current.get(path)
    path.write_text(MODEL.replace('"Mine"', '"Mine, improved"'))
    with caplog.at_level("INFO"):
        assert current.get(path)["mine"].english_label == "Mine, improved"
    assert "has changed and is in use" in caplog.text


def test_a_mistake_leaves_the_last_good_version_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, current = tmp_path / "extra.toml", CurrentCatalogue()
    path.write_text(MODEL)
    good = current.get(path)
    path.write_text(MODEL.replace("steps = 25", "steps = 0"))
    assert current.get(path) is good
    assert current.get(path) is good
    assert caplog.text.count("field 'steps' must be a whole number") == 1, "said once, not with every request"
    path.unlink()
    assert current.get(path) is good
    path.write_text(MODEL + "\n")
    assert current.get(path)["mine"] == good["mine"]


def test_a_site_does_not_start_with_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "extra.toml"
    path.write_text("[models.x]\nlabel = 3\n")
    with pytest.raises(CatalogueError, match="'x'"):
        CurrentCatalogue().get(path)


COSTLY = {
    "deep arrays": "a=" + "[" * 1_400,
    "dots": "a" + ".a" * 400_000 + "=1",
    "lines of dots": "".join(f"b{n}" + ".a" * 700 + "=1\n" for n in range(140)),
    "headers of dots": "".join(f"[b{n}" + ".a" * 700 + "]\n" for n in range(140)),
    "digits": "a=" + "1" * 1_400,
    "more digits than an int has": "a=" + "1" * 900_000,
    "line ends": "\n" * 900_000,
    "entries": "".join(f"[models.k{n}]\n" for n in range(12_000)),
    "NULs": "\0" * 1_400,
    "a number beyond all": "[models.tiny]\nguidance = 1e999999",
    "marks": "\ufeff" * 1_400,
    "quotes": 'a="""' + '"\n' * 90_000,
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_no_file_takes_long_or_raises_anything_but_our_error(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with at_most(2), pytest.raises(CatalogueError):
        load_catalogue(path)


@pytest.mark.parametrize("field", ['repo = "me/film"', 'folder = "/data/film"', "sha256 = {}"])
def test_an_entry_that_takes_its_files_from_elsewhere_is_not_held_to_our_hashes(tmp_path: Path, field: str) -> None:
    assert load_catalogue()["film"].sha256
    assert not extra(tmp_path, f"[interpolators.film]\n{field}\n")["film"].sha256


def test_an_entry_from_elsewhere_is_pinned_as_its_owner_pins_it(tmp_path: Path) -> None:
    ours = load_catalogue()["epicrealism"]
    assert ours.revision
    assert extra(tmp_path, '[models.epicrealism]\nrepo = "me/mine"\n')["epicrealism"].revision is None
    text = f'[models.epicrealism]\nrepo = "me/mine"\nrevision = "{"a" * 40}"\n'
    assert extra(tmp_path, text)["epicrealism"].revision == "a" * 40
    assert extra(tmp_path, f'[models.epicrealism]\nrepo = "{ours.repo}"\n')["epicrealism"].revision == ours.revision
