"""Downloads that are cut, killed, refused or run out of room: resumed, or explained in a line."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from django.core.management import CommandError

from generation.catalogue import download
from tests.generation.catalogue.hub import CONFIG, WEIGHTS, entry
from tests.hub_server import HubServer, wait_until

ROOT = Path(__file__).resolve().parents[3]


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
