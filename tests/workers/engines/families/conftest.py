"""Small models of the other families, written once for all tests."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from generation.domain.plan import FrameRule
from tests import small_families

WAN = FrameRule(multiple=4, offset=1, side_multiple=16)
COGVIDEOX = FrameRule(multiple=8, offset=1, side_multiple=16)  # it decodes an odd number of latent frames
LTX = FrameRule(multiple=8, offset=1, side_multiple=32)


@dataclass(frozen=True)
class Family:
    """A small model: how it is written, what its entry says, and what a plain call of its pipeline is given besides."""

    name: str
    write: Any
    pipeline: str
    rule: FrameRule
    write_options: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    plain: dict[str, Any] = field(default_factory=dict)
    latent_frames: int = 2  # of the least clip that is not a still


FAMILIES = (
    Family("wan", small_families.write_wan, "WanPipeline", WAN),
    Family("wan-2-2", small_families.write_wan, "WanPipeline", WAN, {"expand_timesteps": True}),
    Family("ltx", small_families.write_ltx, "LTXPipeline", LTX, plain={"frame_rate": 24}),
    Family(
        "ltx-0-9-5",
        small_families.write_ltx,
        "LTXPipeline",
        LTX,
        {"is_timestep_conditioned": True},
        call={"decode_timestep": 0.05, "decode_noise_scale": 0.025},
        plain={"frame_rate": 24},
    ),
    Family(
        "ltx-condition",
        small_families.write_ltx,
        "LTXConditionPipeline",
        LTX,
        {"pipeline": "LTXConditionPipeline"},
        plain={"frame_rate": 24},
    ),
    Family(
        "ltx-distilled",
        small_families.write_ltx,
        "LTXConditionPipeline",
        LTX,
        {"is_timestep_conditioned": True, "pipeline": "LTXConditionPipeline"},
        call={"timesteps": [1000.0, 909.4, 421.9], "decode_timestep": 0.05, "decode_noise_scale": 0.025},
        plain={"frame_rate": 24},
    ),
    Family(
        "cogvideox",
        small_families.write_cogvideox,
        "CogVideoXPipeline",
        COGVIDEOX,
        call={"max_sequence_length": 16},
        latent_frames=3,
    ),
    Family(
        "cogvideox-dpm",
        small_families.write_cogvideox,
        "CogVideoXPipeline",
        COGVIDEOX,
        {"solver": "CogVideoXDPMScheduler"},
        call={"max_sequence_length": 16},
        latent_frames=3,
    ),
    Family("hunyuan", small_families.write_hunyuan, "HunyuanVideo15Pipeline", WAN),
)


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """Return a function that writes a family's model at its first call, and returns its folder."""
    import torch

    torch.set_num_threads(1)
    root, written = tmp_path_factory.mktemp("families"), {}

    def folder(family):
        if family.name not in written:
            written[family.name] = family.write(root / family.name, **family.write_options)
        return written[family.name]

    return folder


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def every_family(request):
    """Return each family in turn, and each of its kinds."""
    return request.param


# The others differ in what `every_family` compares, or read two thousand tokens a step, as HunyuanVideo does.
_QUICK = ("wan", "ltx", "cogvideox")
_ALIKE = ("wan-2-2", "ltx-0-9-5", "ltx-condition")


def _how_often(family):
    """Return the mark of what takes too long for each run, or says what another one says already."""
    if family.name in _QUICK:
        return ()
    return pytest.mark.slow if family.name in _ALIKE else pytest.mark.thorough


@pytest.fixture(params=[pytest.param(family, id=family.name, marks=_how_often(family)) for family in FAMILIES])
def family(request):
    """Return each family in turn: the quick ones in `make test`, and in `make test-slow` those that resemble others."""
    return request.param


@pytest.fixture
def new_engine(small_folder):
    """Return a factory of engines of a family, on the CPU, each with its own memory ladder."""
    from workers.engines.families.engine import FamilyEngine
    from workers.engines.ladder import Ladder

    def make(family, **options):
        defaults = {"device": "cpu", "ladder": Ladder(), "label": "Small model", "fps": 24, "max_tokens": 16}
        own = {"rule": family.rule, "call": family.call}
        return FamilyEngine(small_folder(family), family.pipeline, **{**defaults, **own, **options})

    return make
