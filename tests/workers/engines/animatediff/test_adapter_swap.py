"""Changing the motion adapter of a warm engine: only its weights move, and an adapter's fault is the adapter's."""

import shutil

import numpy as np
import pytest

from generation.domain.errors import RenderError
from generation.requests import available
from generation.requests.request import parse
from tests import full_size_models as models
from tests.generation.create.test_camera_motions import CATALOGUE
from tests.sampling import every
from workers import engine_factory
from workers.engines import registry
from workers.engines.animatediff.engine import AnimateDiffEngine, Motion
from workers.engines.files.source import Source
from workers.engines.registry import Change, Registry


def clip(engine, frames=2, **options):
    return engine.generate("a red heart", "", 16, 16, frames, 1, 1.0, 7, lambda *_: None, **options)


def motion(path, label="Other motion", **changes):
    values = {"scheduler": None, "context_length": 16, "context_stride": 4, **changes}
    return Motion(path, **values, source=Source(label, f"fetch {label}"))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """Write adapters as they differ: other weights, no middle block, and a bare file without a configuration."""
    root = tmp_path_factory.mktemp("adapters")
    return {
        "other": models.write_adapter(root / "other", models.SMALL, seed=40),
        "no middle block": models.write_adapter(root / "no-mid", models.SMALL, mid_block=False),
        "bare": models.write_bare_adapter(root / "bare" / "motion.safetensors", models.SMALL),
    }


@pytest.mark.parametrize("kind", every(3, ["other", "no middle block", "bare"]))
def test_a_warm_engine_with_another_adapter_gives_what_a_fresh_one_gives(small, adapters, new_engine, kind):
    engine, loras = new_engine(), [(small.spatial_lora, 0.5)]
    before = clip(engine)
    clip(engine, 18, loras=loras)  # FreeNoise and a LoRA are on when the adapter changes
    base = {name: weight.data_ptr() for name, weight in engine._pipeline.unet.named_parameters()}
    engine.use(motion(adapters[kind]))
    fresh = new_engine(adapter=adapters[kind])
    assert np.array_equal(clip(engine), clip(fresh))
    assert np.array_equal(clip(engine, loras=loras), clip(fresh, loras=loras))
    clip(engine)  # without the LoRA, whose layers have other names
    after = {name: weight.data_ptr() for name, weight in engine._pipeline.unet.named_parameters()}
    spatial = [name for name in after if "motion_modules" not in name and name in base]
    assert len(spatial) > 200
    assert all(after[name] == base[name] for name in spatial), "the base was copied"
    engine.use(motion(small.adapter))
    assert np.array_equal(clip(engine), before)


def test_an_adapter_brings_its_own_scheduler_and_window(new_engine, adapters):
    engine = new_engine()
    engine.load()
    engine.use(motion(adapters["other"], scheduler={"class": "LCMScheduler"}, context_length=8, context_stride=2))
    assert engine.scheduler == {"class": "LCMScheduler"}
    assert engine._window(20) == (8, 2)


def damaged(adapters, folder):
    path = shutil.copytree(adapters["other"], folder)
    weights = path / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return path


def test_a_damaged_adapter_is_blamed_itself_and_the_engine_keeps_the_one_it_had(new_engine, adapters, tmp_path):
    engine = new_engine()
    before = clip(engine)
    with pytest.raises(RenderError) as caught:
        engine.use(motion(damaged(adapters, tmp_path / "damaged")))
    assert caught.value.id == "model-corrupt"
    assert (caught.value.context["model"], caught.value.context["command"]) == ("Other motion", "fetch Other motion")
    assert np.array_equal(clip(engine), before)


def test_the_base_is_not_blamed_for_an_adapter_when_both_are_loaded(small, adapters, tmp_path):
    source = Source("Other motion", "fetch Other motion")
    for path, id in ((damaged(adapters, tmp_path / "damaged"), "model-corrupt"), (tmp_path / "no", "model-missing")):
        with pytest.raises(RenderError) as caught:
            AnimateDiffEngine(small.base, path, label="Small model", motion=source, device="cpu").load()
        assert (caught.value.id, caught.value.context["model"]) == (id, "Other motion")


class Named:
    """An engine that is nothing but a name, which can be changed."""

    memory_bytes = 1

    def __init__(self, name):
        self.name = name

    def load(self):
        pass

    def release(self):
        self.name = ""


def renaming(name, error=None):
    def apply(engine):
        if error:
            raise RenderError(error)
        engine.name = name

    return Change(lambda key: key[0] == "base", apply)


def test_the_registry_changes_a_warm_engine_instead_of_loading_another():
    warm = Registry(100)
    first = warm.get(("base", "a"), lambda: Named("a"))
    assert warm.get(("base", "b"), lambda: Named("new"), renaming("b")) is first
    assert (first.name, warm.keys()) == ("b", [("base", "b")])
    assert warm.get(("base", "b"), lambda: Named("new"), renaming("c")).name == "b"
    assert warm.get(("other", "a"), lambda: Named("new")).name == "new"


def test_an_engine_that_cannot_be_changed_stays_warm_as_it_was():
    warm = Registry(100)
    first = warm.get(("base", "a"), lambda: Named("a"))
    with pytest.raises(RenderError):
        warm.get(("base", "b"), lambda: Named("new"), renaming("b", "model-corrupt"))
    assert (first.name, warm.keys()) == ("a", [("base", "a")])


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: unspecified launch failure"), KeyboardInterrupt()])
def test_an_engine_whose_change_broke_off_is_not_used_again(error):
    """It may have the new weights already, and would make clips of another adapter than its key says."""

    def apply(engine):
        engine.name = "half of b"
        raise error

    warm = Registry(100)
    warm.get(("base", "a"), lambda: Named("a"))
    with pytest.raises(type(error)):
        warm.get(("base", "b"), lambda: Named("b"), Change(lambda key: key[0] == "base", apply))
    assert warm.get(("base", "a"), lambda: Named("a")).name == "a"


def test_without_memory_for_the_change_the_old_engine_goes_and_the_new_one_is_loaded():
    warm = Registry(100)
    first = warm.get(("base", "a"), lambda: Named("a"))
    second = warm.get(("base", "b"), lambda: Named("b"), renaming("b", "out-of-memory"))
    assert (first.name, second.name, warm.keys()) == ("", "b", [("base", "b")])


def test_one_base_in_memory_serves_all_adapters_of_the_catalogue(settings, tmp_path):
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE)
    settings.CATALOGUE_FILE = str(path)
    registry.release_all()
    try:
        engines = []
        for adapter in ("tiny-motion", "still"):
            chosen = {"prompt": "a star", "motion_adapter": adapter}
            request = parse(chosen, available.catalogue(), available.limits())
            engines.append(engine_factory.text_to_video(request))
        assert engines[0] is engines[1]
        assert registry.warm() == [("text-to-video", "tiny", "still")]
    finally:
        registry.release_all()
