"""Which device is chosen, and what differs between them. A rig answers in the place of each card's driver."""

from types import SimpleNamespace

import pytest
import torch

from auravideo.core import operating_system
from workers.engines import devices
from workers.engines.devices import BFLOAT16, FLOAT16, FLOAT32

GIB = 2**30
CARDS = {
    "cuda": "NVIDIA GeForce RTX 4070",
    "rocm": "AMD Radeon RX 7900 XTX",
    "xpu": "Intel Arc B580",
    "mps": "Apple M3",
}


@pytest.fixture(autouse=True)
def _undecided(monkeypatch):
    monkeypatch.setattr(devices, "_usual", devices.AUTO)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that gives the machine a card: 12 GiB, of which 7 are free, torch has 3 and fills 2."""

    def own(card, capability=(8, 9), knows_bfloat16=True):
        monkeypatch.setattr(torch.version, "hip", "7.2" if card == "rocm" else None)
        there = {"rocm": "cuda"}.get(card, card)
        for kind in ("cuda", "xpu"):
            monkeypatch.setattr(getattr(torch, kind), "is_available", lambda kind=kind: kind == there)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there == "mps")
        answers = {
            "get_device_name": lambda _device: CARDS[card],
            "get_device_capability": lambda _device: capability,
            "is_bf16_supported": lambda: knows_bfloat16,
            "mem_get_info": lambda _device: (7 * GIB, 12 * GIB),
            "memory_reserved": lambda _device: 3 * GIB,
            "memory_allocated": lambda _device: 2 * GIB,
            "get_device_properties": lambda _device: SimpleNamespace(total_memory=12 * GIB),
        }
        of_apple = {
            "driver_allocated_memory": lambda: 3 * GIB,
            "current_allocated_memory": lambda: 2 * GIB,
            "recommended_max_memory": lambda: 12 * GIB,
        }
        if there in ("cuda", "xpu", "mps"):
            backend = getattr(torch, there)
            for name, answer in (of_apple if there == "mps" else answers).items():
                assert hasattr(backend, name), "torch has no such function any more"
                monkeypatch.setattr(backend, name, answer)
        monkeypatch.setattr(operating_system, "main_memory", lambda: (16 * GIB, 7 * GIB))
        monkeypatch.setattr(operating_system, "processor_name", lambda: CARDS["mps"])
        return there

    return own


@pytest.mark.parametrize(("card", "device"), [("cuda", "cuda"), ("rocm", "cuda"), ("xpu", "xpu"), ("mps", "mps")])
def test_the_card_that_torch_can_use_is_chosen(machine, card, device):
    assert machine(card) == device
    assert devices.choose() == device
    assert devices.name(device) == CARDS[card]
    assert devices.is_card(device)
    assert devices.is_card(f"{device}:0")


def test_without_a_card_it_is_the_cpu(machine):
    machine("none")
    assert (devices.choose(), devices.name("cpu"), devices.is_card("cpu")) == ("cpu", "cpu", False)
    assert devices.room("cpu") is None
    assert devices.free("cpu") == 7 * GIB
    assert devices.usual_precision("cpu") == devices.wider(FLOAT16, "cpu") == FLOAT32
    assert not devices.half_gains("cpu")


def test_a_device_that_was_set_is_not_searched_for(machine):
    machine("cuda")
    devices.use("cpu")
    assert (devices.choose(), devices.choose("mps")) == ("cpu", "mps")


@pytest.mark.parametrize(
    ("card", "facts", "usual", "next_one"),
    [
        ("cuda", {"capability": (7, 5)}, FLOAT16, FLOAT32),
        ("cuda", {"capability": (8, 6)}, FLOAT16, BFLOAT16),
        ("rocm", {"capability": (11, 0), "knows_bfloat16": True}, FLOAT16, BFLOAT16),
        ("rocm", {"capability": (10, 3), "knows_bfloat16": False}, FLOAT16, FLOAT32),
        ("xpu", {"knows_bfloat16": True}, BFLOAT16, FLOAT32),
        ("xpu", {"knows_bfloat16": False}, FLOAT16, FLOAT32),
        ("mps", {}, FLOAT16, FLOAT32),
    ],
)
def test_each_card_begins_in_the_precision_that_suits_it_and_ends_in_float32(machine, card, facts, usual, next_one):
    device = machine(card, **facts)
    assert devices.usual_precision(device) == usual
    assert devices.wider(usual, device) == next_one
    assert devices.wider(BFLOAT16, device) == FLOAT32
    assert devices.wider(FLOAT32, device) is None


@pytest.mark.parametrize(
    ("card", "capability", "gains"),
    [
        ("cuda", (6, 1), False),
        ("cuda", (7, 0), True),
        ("rocm", (9, 0), True),
        ("xpu", (12, 0), True),
        ("mps", (), True),
    ],
)
def test_half_precision_pays_on_all_but_old_cards(machine, card, capability, gains):
    assert devices.half_gains(machine(card, capability=capability)) == gains


@pytest.mark.parametrize("card", CARDS)
def test_what_torch_holds_already_counts_as_room_and_what_tensors_take_not_as_free(machine, card):
    device = machine(card)
    assert devices.room(device) == 10 * GIB
    assert devices.free(device) == 8 * GIB
    assert devices.total(device) == 12 * GIB


def test_an_apple_card_has_no_more_room_than_metal_recommends(machine, monkeypatch):
    machine("mps")
    monkeypatch.setattr(operating_system, "main_memory", lambda: (64 * GIB, 60 * GIB))
    assert devices.room("mps") == 12 * GIB


def test_an_intel_card_that_does_not_tell_its_free_memory_is_tried(machine, monkeypatch):
    machine("xpu")

    def refuse(_device):
        raise RuntimeError("The device doesn't support querying the available free memory.")

    monkeypatch.setattr(torch.xpu, "mem_get_info", refuse)
    assert devices.room("xpu") is None
    assert devices.free("xpu") == 10 * GIB


@pytest.mark.parametrize("card", ["cuda", "xpu", "mps"])
def test_the_cache_of_the_card_that_is_there_is_emptied(machine, monkeypatch, card):
    emptied = []
    for kind in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, kind), "empty_cache", lambda kind=kind: emptied.append(kind))
    machine(card)
    devices.empty_cache()
    assert emptied == [card]


def test_metal_convolves_in_the_usual_order():
    assert devices.convolution_layout("mps") is torch.contiguous_format
    assert devices.convolution_layout("cuda:0") is devices.convolution_layout("cpu") is torch.channels_last
