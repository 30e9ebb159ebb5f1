"""A card is handed on: after each stage where it is small and shared, and after a while without work."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from celery.worker import state

from generation.domain.memory_classes import GB
from generation.queue import roster
from generation.queue.pausing import services as pausing
from tests.factories import WorkerFactory
from workers import cards, membership
from workers.device import sharing
from workers.engines import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def see(monkeypatch):
    """Return a function that lets this machine have a card of so many bytes, or none."""

    sizes = [None]
    monkeypatch.setattr(cards, "_card", lambda: cards.Device("NVIDIA Rig", sizes[-1], sizes[-1]) if sizes[-1] else None)
    return sizes.append


@pytest.fixture
def me(monkeypatch):
    found = membership.Membership("interpolate@here", ("interpolate",), (), 0)
    monkeypatch.setattr(membership, "me", found)
    return found


@pytest.fixture
def parked(monkeypatch):
    calls = []
    monkeypatch.setattr(registry, "park_all", lambda: calls.append("parked"))
    return calls


def neighbour(**facts):
    return WorkerFactory(**{"name": "generate@here", "boot": membership.boot(), "device": "NVIDIA Rig", **facts})


def test_a_small_card_that_others_use_is_left_to_them_after_each_stage(see, me, parked):
    see(8 * GB)
    sharing.after_stage()
    assert parked == [], "nobody else is there"
    neighbour()
    sharing.after_stage()
    assert parked == ["parked"]


@pytest.mark.parametrize(
    ("size", "facts"),
    [
        (24 * GB, {}),  # room for all
        (None, {"device": roster.CPU}),
        (8 * GB, {"boot": "another machine"}),
        (8 * GB, {"device": "NVIDIA H200"}),  # another card of this machine
        (8 * GB, {"name": "interpolate@here"}),  # itself
    ],
)
def test_otherwise_models_stay_where_they_are(see, me, parked, size, facts):
    see(size)
    neighbour(**facts)
    sharing.after_stage()
    assert parked == []


class Pool:
    info = {"processes": [4711]}


@pytest.fixture
def unloader(monkeypatch):
    now, killed = [100.0], []
    monkeypatch.setattr(sharing.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sharing.os, "kill", lambda *call: killed.append(call))
    monkeypatch.setattr(state, "reserved_requests", set())
    step = sharing.Unloader(SimpleNamespace())
    step.pool = Pool

    def after(seconds):
        now[0] += seconds
        step.look()
        return killed

    return after


def test_a_process_that_holds_models_and_has_no_work_is_replaced(unloader, me, settings):
    settings.UNLOAD_AFTER_SECONDS = 60
    me.holds.value = 1
    assert unloader(0) == []
    assert unloader(59) == []
    assert unloader(2) == [(4711, sharing.UNLOAD_SIGNAL)]
    assert unloader(99) == [(4711, sharing.UNLOAD_SIGNAL)], "the new one holds nothing"


def test_work_starts_the_time_again(unloader, me, settings, monkeypatch):
    settings.UNLOAD_AFTER_SECONDS = 60
    me.holds.value = 1
    unloader(0)
    monkeypatch.setattr(state, "reserved_requests", {"a message"})
    assert unloader(61) == []
    monkeypatch.setattr(state, "reserved_requests", set())
    assert unloader(1) == []
    assert unloader(59) == []
    assert len(unloader(2)) == 1


def test_a_process_that_holds_nothing_or_may_keep_it_stays(unloader, me, settings):
    unloader(0)
    assert unloader(10**6) == [], "nothing is set"
    settings.UNLOAD_AFTER_SECONDS = 60
    assert unloader(10**6) == [], "it holds nothing"


def test_tensorflow_leaves_a_small_card_that_others_use_by_ending(unloader, me, see):
    see(8 * GB)
    neighbour()
    me.holds.value = 1
    unloader(0)
    assert unloader(1) == []
    assert len(unloader(2)) == 1


def test_film_in_torch_leaves_it_without_ending(unloader, me, see, settings):
    settings.FILM = "torch"
    see(8 * GB)
    neighbour()
    me.holds.value = 1
    unloader(0)
    assert unloader(10**6) == []


def test_while_rendering_is_paused_a_worker_keeps_nothing(unloader, me, see, parked, monkeypatch):
    """Its models go at once, and with its process what only the end of a process gives back."""
    see(24 * GB)
    found = registry.Registry()
    monkeypatch.setattr(registry, "_default", found)
    engine = SimpleNamespace(load=lambda: None, release=lambda: parked.append("released"), memory_bytes=1)
    found.get("engine", lambda: engine)
    sharing.after_stage()
    assert found.keys() == ["engine"]
    pausing.pause()
    sharing.after_stage()
    assert (found.keys(), parked) == ([], ["released"])
    me.holds.value = 1
    assert unloader(0) == []
    membership.beat(None)
    assert unloader(0) == [(4711, sharing.UNLOAD_SIGNAL)]
    pausing.resume()
    me.holds.value = 1
    membership.beat(None)
    assert len(unloader(0)) == 1


def torch_that_used(kind):
    """Return what the worker asks torch, after computing on a kind of card."""
    return SimpleNamespace(
        **{name: SimpleNamespace(is_initialized=lambda n=name: n == kind) for name in ("cuda", "xpu")}
    )


def test_a_process_that_has_computed_on_a_card_holds_a_part_of_it(me, see, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", torch_that_used("xpu"))
    monkeypatch.setattr(registry, "warm", list)
    membership.report()
    assert me.holds.value == 1
    monkeypatch.setitem(sys.modules, "torch", torch_that_used(""))
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace())
    membership.report()
    assert me.holds.value == 0
    see(8 * GB)
    membership.report()
    assert me.holds.value == 1


def test_torch_leaves_it_without_ending(unloader, me, see):
    see(8 * GB)
    neighbour()
    me.serves, me.holds.value = ("generate",), 1
    unloader(0)
    assert unloader(10**6) == []


def test_a_child_that_is_told_to_unload_ends_unless_it_has_just_been_given_work():
    def child(is_busy):
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        unloading = sharing.Unloading(before=lambda: None)
        unloading.is_busy = is_busy
        unloading.listen()
        os.kill(os.getpid(), sharing.UNLOAD_SIGNAL)
        os._exit(7)

    assert (child(is_busy=False), child(is_busy=True)) == (0, 7)
    assert signal.getsignal(sharing.UNLOAD_SIGNAL) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("release", "variables", "expected"),
    [
        ("6.12.48-generic", {}, "expandable_segments:True"),
        ("6.12.48-generic", {"PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:128"}, "None"),
        ("5.15.167.4-microsoft-standard-WSL2", {}, "None"),
    ],
)
def test_torchs_segments_grow_unless_the_operator_says_otherwise_or_they_fail(release, variables, expected):
    program = (
        f"import platform; platform.release = lambda: {release!r}; import auravideo.celery, os, torch; "
        "print(os.environ.get('PYTORCH_ALLOC_CONF'), torch.zeros(1).sum())"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTORCH_")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={**plain, **variables}, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == expected
