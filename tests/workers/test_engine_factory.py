"""Warm engines: under which name a worker reports them, and that they follow the catalogue."""

import pytest

from auravideo.core.machine import operating_system
from generation.domain.states import Stage
from generation.queue import placement
from generation.requests import available
from generation.requests.request import parse
from tests import small_families
from tests.workers.engines.families.test_guide import entries  # noqa: F401 - a fixture
from workers import engine_factory, membership
from workers.engines import registry


@pytest.fixture
def catalogue(settings, tmp_path, monkeypatch):
    settings.HOME = tmp_path
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.toml")
    monkeypatch.setattr(registry, "_default", registry.Registry())
    yield tmp_path / "catalogue.toml"
    registry.release_all()


@pytest.fixture
def wan(catalogue, tmp_path, entries):  # noqa: F811
    """Return the catalogue with the guide's model and its variant, whose files are there."""
    small_families.write_wan(tmp_path / "models" / "our-wan")
    catalogue.write_text("\n".join(entries))
    return catalogue


def asked(model, **changes):
    given = {"prompt": "a red circle", "model": model, "seed": 1, **changes}
    return parse(given, available.catalogue(), available.limits())


@pytest.mark.parametrize("model", ["our-wan", "our-wan-fast", "tiny"])
def test_a_worker_reports_an_engine_under_the_name_by_which_clips_are_placed(wan, model):
    engine_factory.text_to_video(asked(model))
    assert membership.warm_engines() == [placement.engine_of(Stage.GENERATE, asked(model))]


def test_a_variant_takes_the_place_of_its_model_in_memory(wan):
    first = engine_factory.text_to_video(asked("our-wan"))
    assert engine_factory.text_to_video(asked("our-wan-fast")) is first
    assert membership.warm_engines() == ["our-wan-fast"]


@pytest.mark.parametrize(
    ("change", "is_reloaded"),
    [(("flow_shift = 3.0", "flow_shift = 7.0"), True), (("max_frames = 81", "max_frames = 49"), True), (None, False)],
)
def test_a_warm_engine_follows_a_change_of_its_entry(wan, change, is_reloaded):
    before = engine_factory.text_to_video(asked("our-wan"))
    if change is not None:
        wan.write_text(wan.read_text().replace(*change) + "\n")
    after = engine_factory.text_to_video(asked("our-wan"))
    model = available.catalogue().models["our-wan"]
    assert (after.scheduler, after.rule) == (model.scheduler, model.frame_rule)
    assert (after is not before) == is_reloaded
    assert membership.warm_engines() == ["our-wan"], "and the old one is gone"


def test_a_warm_animatediff_engine_follows_a_change_of_its_entry(catalogue):
    catalogue.write_text("")
    first = engine_factory.text_to_video(asked("tiny"))
    catalogue.write_text('[models.tiny]\nscheduler = { class = "EulerDiscreteScheduler" }\n')
    second = engine_factory.text_to_video(asked("tiny"))
    assert (first.scheduler["class"], second.scheduler["class"]) == ("DDIMScheduler", "EulerDiscreteScheduler")


def test_an_engine_is_loaded_into_what_main_memory_there_is(wan, monkeypatch):
    """Wan's text encoder alone may be half of a machine's memory: two models would not fit for a moment."""
    files = sum(path.stat().st_size for path in (wan.parent / "models" / "our-wan").rglob("*") if path.is_file())
    engine_factory.text_to_video(asked("tiny"))
    monkeypatch.setattr(operating_system, "main_memory", lambda: (10**12, files // 2))
    engine_factory.text_to_video(asked("our-wan"))
    assert membership.warm_engines() == ["our-wan"]
    monkeypatch.setattr(operating_system, "main_memory", lambda: (10**12, 10**11))
    engine_factory.text_to_video(asked("tiny"))
    assert membership.warm_engines() == ["our-wan", "tiny/tiny-motion"]
