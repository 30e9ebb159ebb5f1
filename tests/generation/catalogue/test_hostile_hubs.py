"""What a hub may not do: change what a commit holds, or write outside a model's folder."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError

from generation.catalogue import entries, lockfile
from generation.catalogue.load import _load
from generation.domain.errors import RenderError
from tests.generation.catalogue.hub import CATALOGUE, CONFIG, WEIGHTS, entry
from tests.hub_server import HubServer, commit_of


def test_a_commit_that_changed_its_files_is_refused(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    run("moves")
    hub.repos["studio/moves"].files["config.json"] = CONFIG.replace(b"Motion", b"Hostile")
    (home / "models/moves/config.json").unlink()
    with pytest.raises(CommandError, match="not the file that was fetched from this commit before"):
        run("moves")
    assert not (home / "models/moves/config.json").exists()


def test_a_hub_that_answers_with_another_commit_is_refused(run: Callable[..., str], hub: HubServer) -> None:
    wanted = commit_of("studio/moves")
    hub.repos["studio/moves"].claims = "b" * 40
    with pytest.raises(CommandError, match=r"answers with commit 'b+' of studio/moves"):
        run("moves", "--revision", wanted)
    hub.repos["studio/moves"].claims = "../../elsewhere"
    with pytest.raises(CommandError, match="answers with commit"):
        run("moves")


HOSTILE_NAMES = [
    "unet/../../../../escaped.safetensors",
    "../escaped.safetensors",
    "unet/..",
    "/etc/escaped.safetensors",
    "unet//escaped.safetensors",
    "unet/./escaped.safetensors",
    "unet\\..\\..\\escaped.safetensors",
    "C:/escaped.safetensors",
    "unet/line\nbreak.safetensors",
    "unet/\u202eescaped.safetensors",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("pattern", ["*", "*/*", "unet/*.safetensors", "*/*.safetensors", "../*", "*/*/*/*/*/*"])
def test_no_pattern_matches_a_name_that_leads_elsewhere(name: str, pattern: str) -> None:
    assert not entries.matches(name, pattern)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_repository_cannot_write_outside_its_folder(
    run: Callable[..., str], home: Path, hub: HubServer, name: str
) -> None:
    hub.repos["studio/painter"].files[name] = b"escaped"
    run("painter")
    found = [path for path in home.parent.rglob("*") if "escaped" in path.name or "break" in path.name]
    assert found == []
    assert all("escaped" not in file for file in lockfile.read_lock(home)["painter"]["files"])


def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    run: Callable[..., str], home: Path, hub: HubServer, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (home / "models/painter").mkdir(parents=True)
    (home / "models/painter/unet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="would be written outside"):
        run("painter")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_hash_that_is_a_path_is_refused(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    """Partial files are named after the hash."""
    for hash in ("../" * 12 + "tmp", "g" * 64, "A" * 64, ""):
        hub.repos["studio/moves"].hash = hash
        with pytest.raises(CommandError, match="says nothing of the size or hash"):
            run("moves")
    assert not (home / "models/.partial").exists()


def test_the_catalogues_hash_also_holds_for_files_copied_by_hand(home: Path) -> None:
    extra = home.parent / "extra.toml"
    good = hashlib.sha256(CONFIG).hexdigest()
    extra.write_text(CATALOGUE + f'[adapters.moves.sha256]\n"config.json" = "{good}"\n', encoding="utf-8")
    _load.cache_clear()
    folder = home / "models/moves"
    folder.mkdir(parents=True)
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(WEIGHTS)
    (folder / "config.json").write_bytes(CONFIG)
    lockfile.verify(entry("moves", home), home)
    (folder / "config.json").write_bytes(CONFIG.upper())
    with pytest.raises(RenderError) as caught:
        lockfile.verify(entry("moves", home), home)
    assert caught.value.id == "model-unexpected"


def test_after_an_update_that_pins_another_file_it_is_not_called_damaged(
    run: Callable[..., str], home: Path, hub: HubServer
) -> None:
    run("moves")
    extra = home.parent / "extra.toml"
    extra.write_text(CATALOGUE + f'[adapters.moves.sha256]\n"config.json" = "{"0" * 64}"\n', encoding="utf-8")
    _load.cache_clear()
    assert _refusal(home) == "model-unexpected"
    (home / "models/moves/config.json").write_bytes(CONFIG.upper())
    assert _refusal(home) == "model-corrupt"


def _refusal(home: Path) -> str:
    try:
        lockfile.verify(entry("moves", home), home)
    except RenderError as error:
        return error.id
    return ""
