import logging
import subprocess
import sys

import pytest

from auravideo.core.machine import operating_system
from generation.domain.errors import RenderError
from workers.engines import registry
from workers.engines.registry import Registry


class Weights:
    """An engine that has nothing but a size."""

    def __init__(self, size, log, name="", failures=0):
        self.size, self.log, self.name, self.failures = size, log, name, failures
        self.loaded = False

    def load(self):
        self.log.append(f"load {self.name}")
        if self.failures:
            self.failures -= 1
            raise RenderError("out-of-memory")
        self.loaded = True

    def release(self):
        self.log.append(f"release {self.name}")
        self.loaded = False

    @property
    def memory_bytes(self):
        return self.size if self.loaded else 0


@pytest.fixture
def log():
    return []


def get(warm, log, name, size):
    return warm.get(name, lambda: Weights(size, log, name))


def test_an_engine_is_loaded_once_and_stays_warm(log):
    warm = Registry(100)
    assert get(warm, log, "a", 10) is get(warm, log, "a", 10)
    assert log == ["load a"]


def test_the_least_recently_used_goes_first_and_only_as_many_as_needed(log):
    warm = Registry(100)
    for name in ("a", "b", "c"):
        get(warm, log, name, 30)
    get(warm, log, "a", 30)
    get(warm, log, "d", 30)
    assert warm.keys() == ["c", "a", "d"]
    assert warm.used_bytes == 90
    get(warm, log, "e", 80)
    assert warm.keys() == ["e"]
    assert log[-3:] == ["release c", "release a", "release d"]


def test_an_engine_over_the_budget_is_kept_alone(log, caplog):
    warm = Registry(100)
    get(warm, log, "a", 10)
    get(warm, log, "big", 500)
    assert warm.keys() == ["big"]
    assert "over the budget" in caplog.text


def test_what_was_loaded_and_what_went_and_why_is_logged(log, caplog):
    caplog.set_level(logging.INFO, logger="workers.engines.registry")
    warm = Registry(3 * 2**30)
    get(warm, log, "first", 2 * 2**30)
    get(warm, log, "second", 2 * 2**30)
    assert "Loaded engine first (2.0 GiB)" in caplog.text
    assert (
        "Released engine first (2.0 GiB), because: 4.0 GiB in use, 3.0 GiB allowed, least recently used" in caplog.text
    )


def test_an_engine_that_cannot_be_loaded_is_not_kept(log):
    def broken():
        raise RenderError("model-missing")

    warm = Registry(100)
    engine = Weights(1, log)
    engine.load = broken
    with pytest.raises(RenderError):
        warm.get("a", lambda: engine)
    assert warm.keys() == []
    get(warm, log, "a", 1)
    assert warm.keys() == ["a"]


def test_when_memory_runs_out_while_loading_the_others_go_and_it_is_tried_again(log):
    warm = Registry(100)
    get(warm, log, "a", 10)
    failures = [1, 0]
    warm.get("b", lambda: Weights(10, log, "b", failures.pop(0)))
    assert warm.keys() == ["b"]
    assert log == ["load a", "load b", "release b", "release a", "load b"]


def test_when_memory_runs_out_with_nothing_to_give_up_the_error_passes(log):
    with pytest.raises(RenderError) as caught:
        Registry(100).get("a", lambda: Weights(10, log, failures=1))
    assert caught.value.id == "out-of-memory"


def test_where_main_memory_is_short_others_go_before_the_next_is_loaded(log, monkeypatch):
    warm = Registry(1000)
    monkeypatch.setattr(operating_system, "main_memory", lambda: (100, 100 - warm.used_bytes))
    get(warm, log, "a", 30)
    get(warm, log, "b", 30)
    log.clear()
    warm.get("c", lambda: Weights(30, log, "c"), size=lambda: 60)
    assert log == ["release a", "load c"]
    assert warm.keys() == ["b", "c"]


def test_release_all_gives_everything_back(log):
    warm = Registry(100)
    engines = [get(warm, log, name, 10) for name in ("a", "b")]
    warm.release_all()
    assert (warm.keys(), warm.used_bytes) == ([], 0)
    assert not any(engine.loaded for engine in engines)


def test_the_process_has_one_registry_with_a_budget_of_its_own(log):
    registry.release_all()
    registry.configure(50)
    try:
        first = registry.get("a", lambda: Weights(40, log, "a"))
        registry.get("b", lambda: Weights(40, log, "b"))
        assert not first.loaded
    finally:
        registry.release_all()
        registry.configure(None)


def test_the_usual_budget_is_a_share_of_the_memory_and_asks_no_torch_that_is_not_there():
    code = (
        "import sys; from workers.engines.registry import default_budget; print(default_budget());"
        "assert not {'torch', 'tensorflow'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**28 < int(answer.stdout) < 2**43


def test_others_are_released_and_the_one_that_asks_is_not(log):
    warm = Registry(100)
    one = get(warm, log, "one", 1)
    get(warm, log, "two", 1)
    assert warm.release_others(one, "no memory")
    assert (warm.keys(), log[-1]) == (["one"], "release two")
    assert not warm.release_others(one, "no memory")
