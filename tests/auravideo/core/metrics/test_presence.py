"""Who is alive, on which machine."""

import dataclasses
import os
import socket
import time

import pynvml
import pytest
import redis

from auravideo.core.metrics import gpus, presence, reporting, totals
from auravideo.version import VERSION
from tests.rigs import nvml


def a_worker(**changes) -> presence.Presence:
    here = presence.this_process(presence.WORKER, lambda: 0)
    return dataclasses.replace(here, **changes)


def test_a_process_says_who_and_where_it_is():
    found = a_worker()
    presence.announce(found)
    (seen,) = presence.present()
    assert (seen.kind, seen.machine, seen.pid) == ("worker", socket.gethostname(), os.getpid())
    assert seen.version == VERSION
    assert 0 < seen.disk[0] < seen.disk[1]
    assert abs(seen.clock - time.time()) < 5


def test_a_process_counts_once_however_often_it_reports():
    for _ in range(3):
        presence.announce(a_worker())
    presence.announce(a_worker(pid=1))
    assert len(presence.present()) == 2


def test_a_process_that_leaves_is_gone():
    presence.announce(a_worker())
    presence.leave(presence.WORKER)
    assert presence.present() == []


def test_a_process_that_was_killed_is_gone_when_its_key_expires():
    presence.announce(a_worker())
    assert 0 < totals.client().ttl(a_worker().key) <= presence.EXPIRES_SECONDS
    totals.client().pexpire(a_worker().key, 1)
    time.sleep(0.01)
    assert presence.present() == []
    assert totals.client().scard(presence.INDEX) == 0


def test_a_process_of_another_version_with_other_fields_is_ignored():
    presence.announce(a_worker())
    totals.client().set(f"{presence.INDEX}:odd", '{"kind": "worker", "shoes": 2}', ex=9)
    totals.client().sadd(presence.INDEX, f"{presence.INDEX}:odd")
    assert len(presence.present()) == 1


def test_the_schedulers_last_task_has_an_age():
    assert presence.since_schedule() is None
    presence.note_schedule()
    assert 0 <= presence.since_schedule() < 5


def test_without_a_driver_there_are_no_cards(monkeypatch):
    nvml.install(monkeypatch, cards=None)
    assert gpus.read() == []
    assert gpus.driver_version() == ""


def test_cards_are_read(monkeypatch):
    nvml.install(monkeypatch, cards=[nvml.Card("GPU-1", used=3 * 2**30, total=8 * 2**30, busy=42)])
    assert gpus.read() == [gpus.Gpu("GPU-1", 0, "NVIDIA Rig", 3 * 2**30, 8 * 2**30, 0.42)]
    assert gpus.driver_version() == nvml.DRIVER


def test_a_slice_of_a_card_has_memory_but_no_utilisation(monkeypatch):
    nvml.install(monkeypatch, cards=[nvml.Card("MIG-1", used=1, total=2, busy=None)])
    (card,) = gpus.read()
    assert card.total == 2
    assert card.busy != card.busy  # NaN: Prometheus shows a gap


def test_a_lost_card_hides_neither_the_others_nor_the_process(monkeypatch, caplog):
    cards = [nvml.Card("GPU-1", used=1, total=2, busy=3, is_lost=True), nvml.Card("GPU-2", used=1, total=2, busy=3)]
    nvml.install(monkeypatch, cards)
    for _ in range(2):
        presence.announce(a_worker())
    (seen,) = presence.present()
    assert [card["uuid"] for card in seen.gpus] == ["GPU-2"]
    assert caplog.text.count("Graphics card 0 cannot be read: GPU is lost") == 1
    nvml.install(monkeypatch, [dataclasses.replace(card, is_lost=False) for card in cards])
    assert len(gpus.read()) == 2


def test_a_driver_that_cannot_count_its_cards_does_not_hide_a_process(monkeypatch, caplog):
    def fail():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    nvml.install(monkeypatch, [nvml.Card("GPU-1", used=1, total=2, busy=3)])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", fail)
    for _ in range(2):
        presence.announce(a_worker())
    (seen,) = presence.present()
    assert seen.gpus == []
    assert caplog.text.count("Graphics cards cannot be counted") == 1


def test_counts_that_redis_refuses_do_not_hide_a_process(monkeypatch, wait_for):
    def refuse():
        raise redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")

    monkeypatch.setattr(totals, "ship", refuse)
    reporting.start(presence.WORKER)
    wait_for(lambda: len(presence.present()) == 1)
    reporting.finish()


def test_a_disk_that_cannot_be_read_does_not_hide_a_process(settings, tmp_path):
    settings.HOME = tmp_path / "gone"
    presence.announce(presence.this_process(presence.WORKER, lambda: 0))
    (seen,) = presence.present()
    assert tuple(seen.disk) == (0, 0)


def test_a_reporter_tells_counts_and_presence_and_leaves(wait_for):
    reporting.start(presence.WEB, websockets=lambda: 7)
    wait_for(lambda: [found.websockets for found in presence.present()] == [7])
    reporting.finish()
    assert presence.present() == []


def test_a_reporter_survives_an_outage(wait_for, settings, monkeypatch, caplog):
    monkeypatch.setattr(reporting, "PERIOD", 0.05)
    there, settings.REDIS_METRICS_URL = settings.REDIS_METRICS_URL, "redis://127.0.0.1:1/0"
    totals.client.cache_clear()
    reporting.start(presence.WEB)
    wait_for(lambda: "cannot be reported" in caplog.text)
    settings.REDIS_METRICS_URL = there
    totals.client.cache_clear()
    wait_for(lambda: len(presence.present()) == 1)
    reporting.finish()
    assert caplog.text.count("cannot be reported") == 1


@pytest.fixture
def wait_for():
    def wait(condition, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    return wait
