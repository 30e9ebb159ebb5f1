"""A local hub, an empty home and `fetch_models` between them."""

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from generation.catalogue import download
from tests.generation.catalogue.hub import CATALOGUE, CONFIG, WEIGHTS
from tests.hub_server import HubServer


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add(
            "studio/moves", {"config.json": CONFIG, "diffusion_pytorch_model.safetensors": WEIGHTS, "x.bin": b"x"}
        )
        server.add(
            "studio/painter",
            {"model_index.json": b"{}", "unet/a.safetensors": WEIGHTS[:5000], "unet/deeper/no.safetensors": b"no"},
        )
        server.add("studio/vae", {"config.json": b"{}\n", "diffusion_pytorch_model.safetensors": WEIGHTS[7:9000]})
        yield server


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Path:
    (tmp_path / "extra.toml").write_text(CATALOGUE, encoding="utf-8")
    settings.HOME = tmp_path / "home"
    settings.CATALOGUE_FILE = str(tmp_path / "extra.toml")
    return settings.HOME


@pytest.fixture
def run(hub: HubServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs `fetch_models` in this process against the local hub and returns its output."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)

    def call(*arguments: str, accepted: bool = True) -> str:
        out = StringIO()
        call_command("fetch_models", *arguments, accept_unpinned=accepted, stdout=out, stderr=StringIO())
        return out.getvalue()

    return call
