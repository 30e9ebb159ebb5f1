"""Approving a file of the inbox: it moves, is hashed, and can be used without a restart."""

import hashlib
import os
import shutil
from collections import namedtuple

import pytest

from generation.catalogue import approved
from generation.catalogue.load import CatalogueError, CurrentCatalogue, load_catalogue
from generation.catalogue.lockfile import verify
from generation.domain.errors import RenderError
from generation.inbox import folder, services
from generation.inbox.reasons import Refused
from tests import model_files as files


@pytest.fixture
def drop(tmp_path):
    """Return a function that puts a file into the inbox."""

    def put(shapes, name="ink.safetensors", **options):
        files.write(folder.inbox(tmp_path) / name, shapes, **options)
        return name

    return put


def catalogue(home, own=None):
    return load_catalogue(own, approved.path(home))


def refusal(home, name, own=None):
    with pytest.raises(Refused) as caught:
        services.approve(home, own, name)
    return caught.value


def test_an_approved_lora_is_offered_with_models_of_its_family(tmp_path, drop):
    metadata = {"modelspec.title": "Ink wash", "modelspec.trigger_phrase": "inkw", "modelspec.license": "CC0"}
    id = services.approve(tmp_path, None, drop(files.kohya(), metadata=metadata))
    found = catalogue(tmp_path)
    style = found.styles[id]
    assert (id, style.label, style.licence) == ("ink", "Ink wash", "CC0")
    assert style.purpose == 'A style from the inbox. Say "inkw" in the prompt.'
    assert style in found.styles_for(found.models["epicrealism"])
    assert style.is_available(tmp_path)
    assert list(folder.dropped(tmp_path)) == []


def test_a_running_site_uses_it_at_once(tmp_path, drop):
    current = CurrentCatalogue()
    assert "ink" not in current.get(None, approved.path(tmp_path)).styles
    services.approve(tmp_path, None, drop(files.kohya()))
    assert "ink" in current.get(None, approved.path(tmp_path)).styles
    services.withdraw(tmp_path, None, "ink")
    assert "ink" not in current.get(None, approved.path(tmp_path)).styles


@pytest.mark.parametrize(("has_vae", "vae"), [(True, None), (False, "sd-vae-ft-mse")])
def test_a_checkpoint_becomes_a_model_with_the_usual_settings(tmp_path, drop, has_vae, vae):
    id = services.approve(tmp_path, None, drop(files.checkpoint(vae=has_vae), "Water_Colours V3.safetensors"))
    found = catalogue(tmp_path)
    model, like = found.models[id], found.models["stable-diffusion-v1-5"]
    assert (id, model.label) == ("water-colours-v3", "Water Colours V3")
    assert (model.vae, model.configuration) == (vae, "sd15-configuration")
    assert (model.native_size, model.scheduler, model.adapter) == (512, like.scheduler, "animatediff-v1-5-2")
    assert model.weights_path(tmp_path).is_file()
    assert not model.is_available(tmp_path), "its configuration is not fetched yet"


LIKE = """
[models.stable-diffusion-v1-5]
steps = 30
native_sizes = { "16:9" = "896x512", "1:1" = "512x512" }
"""


def test_a_checkpoint_takes_over_what_the_operator_says_of_the_model_that_it_is_like(tmp_path, drop):
    own = tmp_path / "own.toml"
    own.write_text(LIKE)
    id = services.approve(tmp_path, own, drop(files.checkpoint()))
    model = catalogue(tmp_path, own).models[id]
    assert model.steps == 30
    assert dict(model.native_sizes) == {"16:9": (896, 512), "1:1": (512, 512)}
    assert catalogue(tmp_path).models[id].usual_aspect == "16:9", "also without the operator's file"


def test_the_operators_file_may_give_an_approved_checkpoint_native_sizes_and_take_them_away(tmp_path, drop):
    own = tmp_path / "own.toml"
    own.write_text(LIKE)
    id = services.approve(tmp_path, own, drop(files.checkpoint()))
    for said, sizes in [("{ '9:16' = '512x896' }", {"9:16": (512, 896)}), ("{}", {})]:
        own.write_text(f"{LIKE}\n[models.{id}]\nnative_sizes = {said}\n")
        assert dict(catalogue(tmp_path, own).models[id].native_sizes) == sizes


def test_motion_modules_a_camera_move_and_a_vae_become_entries(tmp_path, drop):
    motion_lora = {"unet.mid_block.motion_modules.0.attn1.to_q.lora_A.weight": (4, 1280)}
    for shapes, name in ((files.motion(frames=24), "mm"), (motion_lora, "zoom"), (files.vae(), "vae")):
        services.approve(tmp_path, None, drop(shapes, f"{name}.safetensors"))
    found = catalogue(tmp_path)
    assert (found.adapters["mm"].max_frames, found.adapters["mm"].context_length) == (24, 16)
    assert found.loras["zoom"] in found.loras_for(found.adapters["animatediff-v1-5-2"])
    assert found.vaes["vae"].configuration == "sd15-configuration"


@pytest.mark.parametrize(
    ("name", "shapes", "word"),
    [
        ("ng_deep-v1.75t.safetensors", {"emb_params": (4, 768)}, "ng_deep-v1.75t"),
        ("bad hands!.safetensors", {"emb_params": (4, 768)}, "bad-hands"),
        ("x.safetensors", {"<cat-toy>": (1, 768)}, "<cat-toy>"),
        ("cat.safetensors", {"a word [models.evil]": (1, 768)}, "cat"),
    ],
)
def test_a_textual_inversion_has_its_own_word_or_that_of_its_file(tmp_path, drop, name, shapes, word):
    id = services.approve(tmp_path, None, drop(shapes, name))
    found = catalogue(tmp_path)
    assert found.embeddings[id].word == word
    model = found.models["epicrealism"]
    assert [each.id for each in found.embeddings_in(model, "a cat", f"blurry, {word.upper()}")] == [id]
    assert found.embeddings_in(model, f"a{word}", f"{word}s") == ()
    assert found.embeddings_in(found.models["tiny"], word) == ()


def test_what_was_approved_is_what_is_loaded(tmp_path, drop):
    id = services.approve(tmp_path, None, drop(files.kohya()))
    style = catalogue(tmp_path).styles[id]
    path = style.weights_path(tmp_path)
    assert style.sha256[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
    verify(style, tmp_path)
    files.write(path, files.kohya(rank=8))
    with pytest.raises(RenderError) as caught:
        verify(style, tmp_path)
    assert caught.value.id == "model-unexpected"


def test_names_that_are_taken_are_not_taken_again(tmp_path, drop):
    names = ("film.safetensors", "Ink.safetensors", "ink.safetensors", "INK!.safetensors", "—.safetensors")
    ids = [services.approve(tmp_path, None, drop(files.kohya(), name)) for name in names]
    assert ids == ["film-2", "ink", "ink-2", "ink-3", "model"]
    labels = [style.label for style in catalogue(tmp_path).styles.values()]
    assert len(labels) == len(set(labels)) == 5
    (tmp_path / "models" / "pen").mkdir()
    assert services.approve(tmp_path, None, drop(files.kohya(), "pen.safetensors")) == "pen-2"


def test_a_title_cannot_write_a_catalogue(tmp_path, drop):
    title = 'x"\n[models.evil]\nlabel = "evil" \\u0000 \x7f 😀'
    services.approve(tmp_path, None, drop(files.kohya(), metadata={"modelspec.title": title}))
    found = catalogue(tmp_path)
    assert "evil" not in found.models
    assert found.styles["ink"].label == 'x" [models.evil] label = "evil" \\u0000 😀'


def test_the_operators_file_may_change_an_approved_entry(tmp_path, drop):
    services.approve(tmp_path, None, drop(files.kohya()))
    own = tmp_path / "own.toml"
    own.write_text('[styles.ink]\nlabel = "Tusche"\n')
    assert catalogue(tmp_path, own).styles["ink"].label == "Tusche"


@pytest.mark.parametrize("name", ["gone.safetensors", "../ink.safetensors", ""])
def test_a_name_without_a_file_is_refused(tmp_path, name):
    assert refusal(tmp_path, name).id == "gone"


def test_a_refused_file_stays_where_it_is(tmp_path, drop):
    drop(files.kohya(2048))
    assert refusal(tmp_path, "ink.safetensors").context["made_for"] == "SDXL"
    assert (folder.inbox(tmp_path) / "ink.safetensors").is_file()
    assert catalogue(tmp_path).styles == {}


def test_a_link_put_in_the_place_of_a_file_is_refused(tmp_path, drop):
    drop(files.kohya())
    path = folder.inbox(tmp_path) / "ink.safetensors"
    path.rename(tmp_path / "elsewhere.safetensors")
    path.symlink_to(tmp_path / "elsewhere.safetensors")
    assert refusal(tmp_path, "ink.safetensors").id == "link"
    assert not (tmp_path / "models" / "ink").exists()


def test_a_file_that_changes_meanwhile_goes_back(tmp_path, drop, monkeypatch):
    """Its header is read again where others cannot write."""
    drop(files.kohya())
    move = services._move

    def swapped(source, target):
        if "inbox" in str(source):
            source.unlink()
            source.symlink_to("/etc/hostname")
        move(source, target)

    monkeypatch.setattr(services, "_move", swapped)
    assert refusal(tmp_path, "ink.safetensors").id == "link"
    assert (folder.inbox(tmp_path) / "ink.safetensors").is_symlink()
    assert catalogue(tmp_path).styles == {}
    assert not (tmp_path / "models" / "ink").exists()


Usage = namedtuple("Usage", "total used free")


def test_an_inbox_on_another_disk_is_copied_if_there_is_room(tmp_path, drop, monkeypatch):
    elsewhere = "/dev/shm"
    if os.stat(elsewhere).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no other disk")
    box = folder.inbox(tmp_path)
    box.parent.mkdir()
    other = os.path.join(elsewhere, f"inbox-{os.getpid()}")
    os.mkdir(other)
    try:
        box.symlink_to(other)
        drop(files.kohya())
        real = shutil.disk_usage
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 2**20))
        full = refusal(tmp_path, "ink.safetensors")
        assert "needs 0.3 GB, and 0.0 GB are free" in full.text
        assert os.listdir(other) == ["ink.safetensors"]
        assert not (tmp_path / "models" / "ink").exists()
        monkeypatch.setattr(shutil, "disk_usage", real)
        services.approve(tmp_path, None, "ink.safetensors")
        assert os.listdir(other) == []
        verify(catalogue(tmp_path).styles["ink"], tmp_path)
    finally:
        shutil.rmtree(other)


def test_an_invalid_catalogue_approves_nothing(tmp_path, drop):
    drop(files.kohya())
    own = tmp_path / "own.toml"
    own.write_text("[styles.x]\nlabel = 3\n")
    assert refusal(tmp_path, "ink.safetensors", own).id == "catalogue"
    assert (folder.inbox(tmp_path) / "ink.safetensors").is_file()
    own.write_text("")
    approved.path(tmp_path).write_text("not TOML")
    assert refusal(tmp_path, "ink.safetensors", own).id == "catalogue"


def test_a_folder_that_cannot_be_written_is_named(tmp_path, drop, monkeypatch):
    drop(files.kohya())

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    assert refusal(tmp_path, "ink.safetensors").text == (
        "The file could not be moved out of the inbox: Permission denied."
    )


def test_taking_an_approval_back_returns_the_file(tmp_path, drop):
    services.approve(tmp_path, None, drop(files.kohya(), "Ink!.safetensors"))
    assert services.withdraw(tmp_path, None, "ink") == folder.inbox(tmp_path) / "ink.safetensors"
    assert [file.name for file in folder.dropped(tmp_path)] == ["ink.safetensors"]
    assert catalogue(tmp_path).styles == {}
    assert not (tmp_path / "models" / "ink").exists()
    assert services.approve(tmp_path, None, "ink.safetensors") == "ink"


def test_another_file_never_gets_the_id_of_an_earlier_one(tmp_path, drop):
    """A worker may still hold the earlier one in memory, under its ID."""
    services.approve(tmp_path, None, drop(files.kohya()))
    services.withdraw(tmp_path, None, "ink").unlink()
    assert services.approve(tmp_path, None, drop(files.kohya(rank=8))) == "ink-2"
    assert services.approve(tmp_path, None, drop(files.kohya())) == "ink"


def test_a_returned_file_replaces_no_other(tmp_path, drop):
    services.approve(tmp_path, None, drop(files.kohya()))
    drop(files.kohya(rank=8))
    assert services.withdraw(tmp_path, None, "ink").name == "ink-2.safetensors"
    assert len(list(folder.dropped(tmp_path))) == 2


def test_what_others_need_is_not_taken_back(tmp_path, drop):
    services.approve(tmp_path, None, drop(files.vae(), "vae.safetensors"))
    own = tmp_path / "own.toml"
    own.write_text('[models.epicrealism]\nvae = "vae"\n')
    with pytest.raises(Refused) as caught:
        services.withdraw(tmp_path, own, "vae")
    assert "'vae' names 'vae', which is not in the catalogue" in caught.value.text
    assert "vae" in catalogue(tmp_path, own).vaes


def test_only_what_was_approved_can_be_taken_back(tmp_path):
    with pytest.raises(Refused) as caught:
        services.withdraw(tmp_path, None, "epicrealism")
    assert caught.value.id == "not-approved"


def test_a_broken_file_stops_the_site_from_starting_with_its_name(tmp_path):
    approved.path(tmp_path).parent.mkdir()
    approved.path(tmp_path).write_text('[styles.ink]\nlabel = "Ink"\n')
    with pytest.raises(CatalogueError, match=r"approved.toml: styles 'ink'"):
        catalogue(tmp_path)
