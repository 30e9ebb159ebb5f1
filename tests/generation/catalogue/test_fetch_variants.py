"""`fetch_models` and what an operator must know first, and variants, which use the files of another entry."""

import json
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError

from generation.catalogue.load import load_catalogue
from tests.generation.catalogue.hub import CATALOGUE
from tests.hub_server import HubServer

NOTICE = "Its licence does not hold below sea level."
OTHERS = f"""
[models.waves]
label = "Waves"
purpose = "For tests."
family = "waves"
pipeline = "WanPipeline"
repo = "studio/waves"
files = ["model_index.json"]
licence = "waves-community"
notice = "{NOTICE}"
native_size = 480
min_size = 256
native_fps = 16
steps = 50
guidance = 5.0
scheduler = {{ class = "UniPCMultistepScheduler" }}
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
download_mb = 28000

[models.waves-fast]
variant_of = "waves"
label = "Waves, 4 steps"
steps = 4
lora = "waves-lora"

[styles.waves-lora]
label = "Four steps"
purpose = "For tests."
family = "waves"
repo = "studio/lora"
weights = "four.safetensors"
licence = "MIT"
"""


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _others(hub: HubServer, home: Path) -> None:
    (home.parent / "extra.toml").write_text(CATALOGUE + OTHERS, encoding="utf-8")
    hub.add("studio/waves", {"model_index.json": b"{}"})
    hub.add("studio/lora", {"four.safetensors": b"weights"})


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", Terminal(text))


def is_here(home: Path, id: str) -> bool:
    return load_catalogue(home.parent / "extra.toml")[id].is_available(home)


def row(printed: str, id: str) -> list[str]:
    return next(line for line in printed.splitlines() if line.split()[:1] == [id]).split()


def test_a_notice_is_printed_and_nothing_fetched_before_somebody_agrees(
    run: Callable[..., str], home: Path, answer: Callable[[str], None]
) -> None:
    for declined in ("n\n", "\n", "", "no\n"):
        answer(declined)
        with pytest.raises(CommandError, match=r"^Nothing was fetched\.$"):
            run("waves")
        assert not is_here(home, "waves")
    answer("y\n")
    printed = run("waves")
    assert printed.index(f"waves: {NOTICE}") < printed.index("Fetch it? [y/N]") < printed.index("waves: fetched")
    assert is_here(home, "waves")


def test_where_nobody_can_be_asked_an_option_agrees(
    run: Callable[..., str], home: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))
    with pytest.raises(CommandError, match="add --yes"):
        run("waves", "painter")
    assert not (home / "models/painter").exists()
    printed = run("waves", "--yes")
    assert NOTICE in printed
    assert "[y/N]" not in printed
    assert is_here(home, "waves")


def test_what_is_here_is_not_asked_about_again(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())
    run("waves", "--yes")
    assert NOTICE not in run("waves")
    assert NOTICE not in run("painter"), "nor about a model that is not asked for"


def test_a_variant_is_fetched_with_its_model_and_its_lora(run: Callable[..., str], home: Path) -> None:
    printed = run("waves-fast", "--yes")
    assert "waves-fast: uses the files of waves" in printed
    assert printed.count(NOTICE) == 1
    assert is_here(home, "waves-fast")
    assert is_here(home, "waves-lora")
    assert not (home / "models/waves-fast").exists()
    assert set(json.loads((home / "models/models.lock.json").read_text())["models"]) == {"waves", "waves-lora"}
    assert "waves-fast: uses the files of waves" in run("waves-fast", "--offline")


def test_the_files_of_a_variant_are_verified_once(run: Callable[..., str], home: Path) -> None:
    run("waves-fast", "--yes")
    for printed in (run("waves-fast", "--verify"), run("--verify")):
        assert printed.count("waves: as it should be") == 1
        assert "waves-fast: as it should be" not in printed
    (home / "models/waves/model_index.json").write_bytes(b"[]")
    with pytest.raises(CommandError, match="1 of the models checked cannot be used"):
        run("waves-fast", "--verify")


def test_the_list_says_whose_files_a_variant_uses_and_what_one_must_know(run: Callable[..., str]) -> None:
    printed = run("--list")
    assert row(printed, "waves")[1:6] == ["models", "-", "28.0", "GB", "waves-community"]
    assert row(printed, "waves-fast")[1:6] == ["models", "-", "with", "waves", "waves-community"]
    assert printed.count(f"waves: {NOTICE}") == 1
    run("waves", "--yes")
    assert row(run("--list"), "waves-fast")[2] == "partly", "its LoRA is missing"
    run("waves-fast", "--yes")
    assert row(run("--list"), "waves-fast")[2] == "here"


def test_a_revision_is_given_for_the_model_that_has_the_files(run: Callable[..., str], home: Path) -> None:
    with pytest.raises(CommandError, match="A variant has no files of its own"):
        run("waves-fast", "--revision", "main", "--yes")
    assert not (home / "models").exists()
