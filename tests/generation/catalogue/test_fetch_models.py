"""`fetch_models` against a local hub: what is fetched, listed, verified, trusted and refused."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError

from generation.catalogue import download, entries, lockfile
from generation.catalogue.load import _load, load_catalogue
from generation.domain.errors import RenderError
from tests.generation.catalogue.hub import CATALOGUE, CONFIG, WEIGHTS, entry
from tests.hub_server import HubServer, commit_of

LOCAL = """
[upscalers.mine]
label = "Mine"
purpose = "For tests."
family = "any"
licence = "MIT"
scales = {{ 2 = "x2.pth" }}
folder = "{folder}"
"""


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put empty files in place of the shipped models, so that no trained models are needed."""
    monkeypatch.setattr(entries, "BUILTIN_MODELS", tmp_path / "shipped")
    for item in load_catalogue():
        for name in item.local_files() if item.builtin else ():
            path = item.path(tmp_path) / name.replace("*", "x")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def test_a_model_is_fetched_with_what_it_needs_and_locked(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    printed = run("painter")
    assert entry("painter", home).is_available(home)
    assert (home / "models/moves/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    assert (home / "models/painter/vae/config.json").read_bytes() == b"{}\n", "the VAE lies where the model expects it"
    lock = json.loads((home / "models/models.lock.json").read_text())["models"]
    assert sorted(lock["painter"]["files"]) == [
        "model_index.json",
        "unet/a.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    assert lock["painter"]["sources"] == [
        {"repo": "studio/painter", "commit": commit_of("studio/painter")},
        {"repo": "studio/vae", "commit": commit_of("studio/vae")},
    ]
    assert lock["moves"]["files"]["config.json"]["size"] == len(CONFIG)
    assert not (home / "models/moves/x.bin").exists(), "only what the entry names is fetched"
    assert not list((home / "models/.partial").iterdir())
    assert f"moves: fetched ({commit_of('studio/moves')[:12]}), licence: MIT" in printed


def test_a_model_without_a_repository_is_adopted_from_its_folder(
    run: Callable[..., str], home: Path, hub: HubServer
) -> None:
    folder = home.parent / "mine"
    extra = home.parent / "extra.toml"
    extra.write_text(CATALOGUE + LOCAL.format(folder=folder), encoding="utf-8")
    _load.cache_clear()
    with pytest.raises(CommandError, match=rf"mine is not here \(x2\.pth missing in {folder}\).*copy them there"):
        run("mine")
    folder.mkdir()
    (folder / "x2.pth").write_bytes(b"weights")
    assert f"mine: here, in {folder}" in run("mine")
    assert "mine: here" in run("mine")
    (folder / "x2.pth").write_bytes(b"Weights")
    with pytest.raises(CommandError, match="1 of the models checked cannot be used"):
        run("mine", "--verify")
    assert hub.requests == []


def test_a_second_call_asks_the_hub_for_nothing(run: Callable[..., str], hub: HubServer) -> None:
    run("painter")
    hub.requests.clear()
    assert "painter: here" in run("painter")
    assert hub.requests == []


def test_the_catalogues_sha256_overrules_the_hub(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    extra = home.parent / "extra.toml"
    extra.write_text(CATALOGUE + f'[adapters.moves.sha256]\n"config.json" = "{"0" * 64}"\n', encoding="utf-8")
    _load.cache_clear()
    with pytest.raises(CommandError, match="not the file that the catalogue expects"):
        run("moves")
    assert not (home / "models/moves/config.json").exists()


@pytest.mark.parametrize("change", ["truncate", "flip"])
def test_a_changed_file_is_caught_at_the_next_load_and_repaired(
    run: Callable[..., str], home: Path, hub: HubServer, change: str
) -> None:
    run("moves")
    moves, path = entry("moves", home), home / "models/moves/diffusion_pytorch_model.safetensors"
    lockfile.verify(moves, home)
    path.write_bytes(WEIGHTS[:-1] if change == "truncate" else WEIGHTS[:-1] + b"!")
    with pytest.raises(RenderError) as caught:
        lockfile.verify(moves, home)
    assert caught.value.id == "model-corrupt"
    assert "python manage.py fetch_models moves" in str(caught.value.text)
    assert path.name in str(caught.value.text)
    run("moves")
    lockfile.verify(moves, home)
    assert path.read_bytes() == WEIGHTS


def test_verify_reads_every_byte_and_fails_for_one_that_rotted(run: Callable[..., str], home: Path) -> None:
    run("moves")
    assert "moves: as it should be" in run("--verify", "moves")
    path = home / "models/moves/diffusion_pytorch_model.safetensors"
    status = path.stat()
    path.write_bytes(WEIGHTS[:-1] + b"!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    lockfile.verify(entry("moves", home), home)  # size and mtime are unchanged
    with pytest.raises(CommandError, match="1 of the models checked"):
        run("--verify", "moves")
    run("moves")
    assert path.read_bytes() == WEIGHTS, "what --verify found is repaired by the command that it names"


def test_a_missing_model_is_a_clear_error(home: Path) -> None:
    with pytest.raises(RenderError) as caught:
        lockfile.verify(entry("painter", home), home)
    assert caught.value.id == "model-missing"
    assert "python manage.py fetch_models painter" in str(caught.value.text)
    assert "Painter" in str(caught.value.text)


def test_a_file_that_was_hashed_is_not_read_again(
    run: Callable[..., str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("moves")
    monkeypatch.setattr(lockfile, "file_sha256", lambda *_args: pytest.fail("read again"))
    lockfile.verify(entry("moves", home), home)


@pytest.mark.usefixtures("shipped")
def test_offline_asks_nobody_and_says_what_is_missing(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    with pytest.raises(CommandError) as caught:
        run("painter", "--offline")
    assert "painter is not here" in str(caught.value)
    assert "moves is not here" in str(caught.value)
    run("painter")
    hub.requests.clear()
    printed = run("painter", "--offline")
    assert [line for line in printed.splitlines() if not line.startswith("tiny")] == ["painter: here", "moves: here"]
    assert hub.requests == []


def test_offline_takes_in_models_that_were_copied_by_hand(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    folder = home / "models/moves"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(WEIGHTS)
    assert "unchecked" in listed(run("--list"), "moves")
    run("moves", "--offline")
    assert "here" in listed(run("--list"), "moves")
    (folder / "config.json").write_bytes(CONFIG.upper())
    with pytest.raises(RenderError):
        lockfile.verify(entry("moves", home), home)
    assert hub.requests == []


def listed(printed: str, id: str) -> list[str]:
    return next(line.split() for line in printed.splitlines() if line.startswith(f"{id} "))


def test_the_list_shows_state_size_and_licence_without_a_network(run: Callable[..., str], hub: HubServer) -> None:
    printed = run()
    assert "-" in listed(printed, "moves")
    assert "2.1 GB" in printed
    assert "CreativeML OpenRAIL-M" in printed
    assert "0 MB" not in [" ".join(pair) for pair in zip(printed.split(), printed.split()[1:], strict=False)]
    assert "not stated" in " ".join(listed(printed, "ltx-video-2b"))
    assert hub.requests == []
    run("moves")
    assert "here" in listed(run("--list"), "moves")


def test_the_guides_say_what_everything_takes() -> None:
    """Within a tenth, of the entries that state their size."""
    total = sum(entry.download_mb for entry in load_catalogue()) / 1000
    docs = Path(__file__).parents[3] / "docs"
    for guide, found in (
        ("models.md", r"# everything: about (\d+) GB"),
        ("operating.md", r"every model of .* (\d+) GB"),
    ):
        stated = re.search(found, (docs / guide).read_text(encoding="utf-8"))
        assert stated is not None
        assert 0.9 * total < float(stated[1]) < 1.15 * total, guide


def test_an_unknown_id_is_refused_with_the_known_ones(run: Callable[..., str], hub: HubServer) -> None:
    with pytest.raises(CommandError, match=r"no model 'mooves'.*moves"):
        run("mooves")
    assert hub.requests == []


def test_the_lock_pins_the_commit_until_a_revision_is_asked_for(
    run: Callable[..., str], home: Path, hub: HubServer
) -> None:
    run("moves")
    first = lockfile.read_lock(home)["moves"]["sources"]
    hub.add("studio/moves", {"config.json": b"{}", "diffusion_pytorch_model.safetensors": WEIGHTS}, commit="a" * 40)
    run("moves")
    assert lockfile.read_lock(home)["moves"]["sources"] == first
    run("moves", "--revision", "main")
    assert lockfile.read_lock(home)["moves"]["sources"][0]["commit"] == "a" * 40
    assert (home / "models/moves/config.json").read_bytes() == b"{}"
    assert len(hub.downloads("diffusion_pytorch_model.safetensors")) == 1, "what did not change is kept"


def test_the_hubs_own_offline_switch_is_named(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CommandError, match="HF_HUB_OFFLINE is set"):
        run("moves")


def test_a_lock_file_that_cannot_be_read_is_said_to_be_so(run: Callable[..., str], home: Path) -> None:
    run("moves")
    lockfile.lock_path(home).write_text("{", encoding="utf-8")
    assert "unchecked" in listed(run("--list"), "moves")
    with pytest.raises(CommandError, match=r"models\.lock\.json"):
        run("moves")


def test_what_the_catalogue_does_not_pin_is_fetched_only_if_the_operator_says_so(
    run: Callable[..., str], home: Path, hub: HubServer
) -> None:
    with pytest.raises(CommandError, match=r"neither a commit nor hashes for painter, moves.*--accept-unpinned"):
        run("painter", accepted=False)
    assert hub.requests == [], "nobody was asked"
    printed = run("moves")
    assert f"trusted from now on: studio/moves at {commit_of('studio/moves')}" in printed
    assert lockfile.file_sha256(home / "models/moves/config.json") in printed
    (home / "models/moves/config.json").unlink()
    assert "fetched" in run("moves", accepted=False), "the lock file knows it by now"


def test_a_revision_that_the_operator_names_is_a_decision_too(run: Callable[..., str]) -> None:
    assert "moves: fetched" in run("moves", "--revision", commit_of("studio/moves"), accepted=False)


@pytest.mark.parametrize("by", ["revision", "sha256"])
def test_what_the_catalogue_pins_needs_no_decision(
    run: Callable[..., str], home: Path, hub: HubServer, by: str
) -> None:
    revision = f'repo = "studio/moves"\nrevision = "{commit_of("studio/moves")}"'
    text = CATALOGUE.replace('repo = "studio/moves"', revision) if by == "revision" else CATALOGUE
    if by == "sha256":
        files = hub.repos["studio/moves"].files
        text += "[adapters.moves.sha256]\n" + "".join(
            f'"{name}" = "{hashlib.sha256(files[name]).hexdigest()}"\n' for name in entry("moves", home).files
        )
    (home.parent / "extra.toml").write_text(text, encoding="utf-8")
    _load.cache_clear()
    printed = run("moves", accepted=False)
    assert "moves: fetched" in printed
    assert "trusted from now on" not in printed


# Their repositories are named in public, but no commit or hash of theirs could be read from a source that we can cite.
UNPINNED = {
    "juggernaut-final",
    *(f"{move}" for move in ("zoom-in", "pan-left", "pan-right", "tilt-down", "rolling-clockwise")),
    "rolling-anticlockwise",
}


def test_every_shipped_entry_with_a_repository_is_pinned_or_asks_first(tmp_path: Path) -> None:
    fetched = [item for item in load_catalogue() if item.sources()]
    assert len(fetched) > 20
    assert {item.id for item in fetched if not item.is_pinned} == UNPINNED
    assert {item.id for item in fetched if download.is_unknown(item, tmp_path)} == UNPINNED
    film = load_catalogue()["film"]
    assert film.sha256.keys() == set(film.files), "it is a graph: no other file may take its place"
