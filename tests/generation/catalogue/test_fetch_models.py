"""`fetch_models` against a local hub: downloads, resuming, verification, refusals and messages."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from django.core.management import CommandError

from generation.catalogue import download, entries, lockfile
from generation.catalogue.load import Entry, _load, load_catalogue
from generation.domain.errors import RenderError
from tests.generation.catalogue.hub import CATALOGUE, CONFIG, WEIGHTS
from tests.hub_server import HubServer, commit_of, wait_until

ROOT = Path(__file__).resolve().parents[3]
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


def entry(id: str, home: Path) -> Entry:
    return load_catalogue(str(home.parent / "extra.toml"))[id]


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


def test_a_cut_connection_is_resumed_where_it_was_cut(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    hub.cuts["diffusion_pytorch_model.safetensors"] = [400_000, 300_000]
    run("moves")
    assert (home / "models/moves/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    parts = hub.downloads("diffusion_pytorch_model.safetensors")
    assert [part.range for part in parts] == [None, "bytes=400000-", "bytes=700000-"]
    assert sum(part.sent for part in parts) == len(WEIGHTS), "not a byte is fetched twice"


def test_a_run_that_gave_up_is_continued_by_the_next_one(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    hub.cuts["diffusion_pytorch_model.safetensors"] = [250_000, 0, 0, 0, 0, 0]
    with pytest.raises(CommandError, match=r"cannot be reached.*run the command again to continue"):
        run("moves")
    assert not entry("moves", home).is_available(home)
    hub.cuts.clear()
    run("moves")
    parts = hub.downloads("diffusion_pytorch_model.safetensors")
    assert [part.range for part in parts] == [None, "bytes=250000-"]
    assert sum(part.sent for part in parts) == len(WEIGHTS)
    assert len(hub.downloads("config.json")) == 1, "a file that is here already is not fetched again"


def test_a_server_without_ranges_makes_it_begin_again(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    hub.cuts["diffusion_pytorch_model.safetensors"] = [300_000]
    hub.ignores_ranges = True
    run("moves")
    assert (home / "models/moves/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS


def test_bytes_that_differ_from_the_hubs_are_discarded(run: Callable[..., str], home: Path, hub: HubServer) -> None:
    hub.repos["studio/moves"].served["diffusion_pytorch_model.safetensors"] = bytes(len(WEIGHTS))
    with pytest.raises(CommandError, match=r"diffusion_pytorch_model\.safetensors came damaged"):
        run("moves")
    hub.repos["studio/moves"].served = {"config.json": CONFIG.replace(b"Motion", b"Notion")}
    (home / "models/moves/config.json").unlink()
    with pytest.raises(CommandError, match=r"config\.json came damaged"):
        run("moves")
    assert not entry("moves", home).is_available(home)
    assert not list((home / "models/.partial").iterdir())


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


def test_a_repository_that_does_not_exist_is_one_clear_line(run: Callable[..., str], hub: HubServer) -> None:
    del hub.repos["studio/moves"]
    with pytest.raises(CommandError) as caught:
        run("moves")
    assert "no repository studio/moves" in str(caught.value)
    assert "HF_TOKEN" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository_says_how_to_get_in(run: Callable[..., str], hub: HubServer, status: int) -> None:
    hub.repos["studio/moves"].gated = status
    with pytest.raises(CommandError) as caught:
        run("moves")
    assert f"accept its conditions at {hub.url}/studio/moves" in str(caught.value)
    assert "HF_TOKEN" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_or_revision_that_is_gone_is_named(run: Callable[..., str], hub: HubServer) -> None:
    with pytest.raises(CommandError, match="no revision nightly"):
        run("moves", "--revision", "nightly")
    del hub.repos["studio/moves"].files["config.json"]
    with pytest.raises(CommandError, match=r"studio/moves has no config\.json"):
        run("moves")


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


def test_a_small_disk_is_noticed_before_anything_is_fetched(
    run: Callable[..., str], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = download.shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(CommandError, match=r"Not enough room.*AURAVIDEO_HOME"):
        run("moves")
    assert hub.downloads("diffusion_pytorch_model.safetensors") == []


def test_a_disk_that_fills_up_during_a_download_is_one_clear_line(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_stream", full)
    with pytest.raises(CommandError, match=r"The disk is full.*run the command again"):
        run("moves")


def test_the_hubs_own_offline_switch_is_named(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CommandError, match="HF_HUB_OFFLINE is set"):
        run("moves")


def test_the_token_goes_to_the_hub_and_not_to_its_storage(
    run: Callable[..., str], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_ours")
    run("moves")
    tokens = {
        kind: {request.token for request in hub.requests if request.server == kind} for kind in ("hub", "storage")
    }
    assert tokens == {"hub": {"Bearer hf_of_ours"}, "storage": {None}}


def test_ctrl_c_says_that_nothing_is_lost(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_stream", interrupted)
    with pytest.raises(SystemExit) as caught:
        run("moves")
    assert caught.value.code == 130


def test_two_at_once_are_refused(run: Callable[..., str], home: Path) -> None:
    with download.only_one(home), pytest.raises(CommandError, match="Another fetch_models is at work"):
        run("moves")


def test_a_lock_file_that_cannot_be_read_is_said_to_be_so(run: Callable[..., str], home: Path) -> None:
    run("moves")
    lockfile.lock_path(home).write_text("{", encoding="utf-8")
    assert "unchecked" in listed(run("--list"), "moves")
    with pytest.raises(CommandError, match=r"models\.lock\.json"):
        run("moves")


def test_our_hub_is_one_to_huggingface_hub_itself(hub: HubServer, tmp_path: Path) -> None:
    script = (
        "import huggingface_hub as h, sys\n"
        "print(h.snapshot_download('studio/moves', local_dir=sys.argv[1], allow_patterns=['*.json', '*.safetensors']))"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "moves")], env=environment, check=True, timeout=60)
    assert (tmp_path / "moves/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "moves/config.json").read_bytes() == CONFIG


CHILD = """
import sys
from generation.catalogue import download as fetch
from generation.catalogue.load import _load, load_catalogue

class Quiet:
    file = advance = file_done = lambda *_: None

entry = load_catalogue(sys.argv[1])["moves"]
fetch.fetch(fetch.plan_download(entry, sys.argv[2]), sys.argv[2], Quiet())
"""


def test_a_killed_download_goes_on_from_where_it_was(run: Callable[..., str], hub: HubServer, home: Path) -> None:
    hub.stalls["diffusion_pytorch_model.safetensors"] = 600_000
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", CHILD, str(home.parent / "extra.toml"), str(home)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    partials = home / "models" / ".partial"
    wait_until(lambda: any(part.stat().st_size == 600_000 for part in partials.glob("*.part")), 60)
    process.kill()
    process.wait(timeout=30)
    hub.stalls.clear()
    run("moves")
    assert (home / "models/moves/diffusion_pytorch_model.safetensors").read_bytes() == WEIGHTS
    parts = hub.downloads("diffusion_pytorch_model.safetensors")
    assert [part.range for part in parts] == [None, "bytes=600000-"]
    assert sum(part.sent for part in parts) == len(WEIGHTS)


def test_no_network_is_one_line_and_a_failing_exit_code(home: Path) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
        "AURAVIDEO_HOME": str(home),
        "AURAVIDEO_CATALOGUE": str(home.parent / "extra.toml"),
    }
    command = [sys.executable, str(ROOT / "manage.py"), "fetch_models", "moves", "--accept-unpinned"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr
    assert "set HF_ENDPOINT to a mirror" in done.stderr
    assert done.stderr.count("\n") == 1, "one line, and no traceback"


def test_an_error_without_a_text_is_told_by_its_kind() -> None:
    with (
        pytest.raises(download.FetchError, match=r"cannot be reached .* \(ReadTimeout\)"),
        download._explained("a/b", "c"),
    ):
        raise httpx2.ReadTimeout("")


# What a hub may not do ------------------------------------------------------------------------------------------------


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
