"""Small models of the published architectures, written once for all tests of the engines."""

from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Folders and files of a small base model, its motion adapter and two LoRAs. Not to be changed by a test."""
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
    """Makes an engine of the small models, on the processor, with a memory ladder of its own."""
    from workers.engines.animatediff import AnimateDiffEngine
    from workers.engines.memory import Ladder

    def make(base=small.base, adapter=small.adapter, **options):
        defaults = {"device": "cpu", "ladder": Ladder(), "label": "Small model"}
        return AnimateDiffEngine(base, adapter, **{**defaults, **options})

    return make
