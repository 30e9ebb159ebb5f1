"""Small models of the published architectures, written once for all engine tests."""

from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Write a small base model, its motion adapter and two LoRAs, once; tests must not modify them."""
    import torch

    from tests import full_size_models as models

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("small")
    return SimpleNamespace(
        base=models.write_base(root / "base", models.SMALL),
        adapter=models.write_adapter(root / "adapter", models.SMALL),
        motion_lora=models.write_motion_lora(root / "zoom-in" / "diffusion_pytorch_model.safetensors", models.SMALL),
        spatial_lora=models.write_spatial_lora(root / "lcm" / "lora.safetensors", models.SMALL),
    )


@pytest.fixture
def new_engine(small):
    """Return a factory of engines of the small models, on the CPU, each with its own memory ladder."""
    from workers.engines.animatediff.engine import AnimateDiffEngine
    from workers.engines.ladder import Ladder

    def make(base=small.base, adapter=small.adapter, **options):
        defaults = {"device": "cpu", "ladder": Ladder(), "label": "Small model"}
        return AnimateDiffEngine(base, adapter, **{**defaults, **options})

    return make


@pytest.fixture(autouse=True)
def _no_other_engines(monkeypatch):
    """Let this process hold no engines: those of other tests would be released first when memory runs out."""
    from workers.engines import registry

    monkeypatch.setattr(registry, "_default", registry.Registry())
