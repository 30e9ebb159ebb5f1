"""What a worker says about how its models run."""

from types import SimpleNamespace

import pytest

from generation.models import Worker
from tests.factories import WorkerFactory
from workers import cards, membership
from workers.engines import registry

pytestmark = pytest.mark.django_db


class Engine(SimpleNamespace):
    """An engine, as far as the registry asks it."""

    memory_bytes = 1

    def load(self):
        pass

    def release(self):
        pass


@pytest.fixture
def holding(monkeypatch):
    """Return a function that lets this process hold an engine, on a machine with a card or without one."""
    monkeypatch.setattr(registry, "_default", registry.Registry(10**9))
    monkeypatch.setattr(membership, "me", membership.Membership("interpolate@here", ("interpolate",), (), 0))
    WorkerFactory(name="interpolate@here")

    def hold(has_card, **facts):
        monkeypatch.setattr(cards, "is_card", lambda: has_card)
        registry.get(("interpolation", "film"), lambda: Engine(**facts))
        membership.report()
        return Worker.objects.get().notes

    return hold


def test_what_an_engine_says_is_reported_with_what_it_holds(holding):
    note = {"id": "on-cpu", "model": "FILM", "why": "no kernel image"}
    assert holding(True, label="FILM", device="cpu", notes=[note]) == [note]
    assert Worker.objects.get().warm == ["film"]
    assert membership.me.holds.value == 1
    registry.release_all()
    membership.report()
    assert (Worker.objects.get().notes, membership.me.holds.value) == ([], 0)


def test_a_model_on_the_cpu_of_a_machine_with_a_card_is_noticed_even_if_nothing_failed(holding):
    """TensorFlow and torch take the CPU without a word if they do not see the card."""
    (note,) = holding(True, label="FILM", device="cpu", notes=[])
    assert (note["id"], note["model"]) == ("card-unseen", "FILM")


@pytest.mark.parametrize(("has_card", "device"), [(False, "cpu"), (True, "gpu"), (True, "")])
def test_what_runs_where_it_should_is_not_mentioned(holding, has_card, device):
    assert holding(has_card, label="FILM", device=device, notes=[]) == []
