"""What a worker reports of its device: the card of its own, by number or UUID, and that of other makers."""

from dataclasses import replace

import pytest

from auravideo.core import graphics, operating_system
from generation.queue import roster
from tests.rigs import nvml
from workers import cards

GIB = 2**30
TWO = [
    nvml.Card("GPU-aa11", used=GIB, total=24 * GIB, busy=0, name="RTX 4090"),
    nvml.Card("GPU-bb22", used=2 * GIB, total=8 * GIB, busy=0, name="RTX 3050", mode=3),
]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that gives the machine NVIDIA's cards, or none."""
    monkeypatch.setattr(graphics, "PCI_DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def own(found):
        nvml.install(monkeypatch, found)
        cards._nvml.cache_clear()

    yield own
    cards._nvml.cache_clear()


@pytest.mark.parametrize(
    ("visible", "name"),
    [
        (None, "RTX 4090, card 0"),
        ("0", "RTX 4090, card 0"),
        ("1", "RTX 3050, card 1"),
        ("1,0", "RTX 3050, card 1"),
        ("GPU-bb22", "RTX 3050, card 1"),
        ("GPU-bb", "RTX 3050, card 1"),
        ("", roster.CPU),
        ("7", roster.CPU),
        ("GPU-cc", roster.CPU),
        ("GPU-", roster.CPU),  # which of the two?
    ],
)
def test_a_worker_reports_the_card_that_it_sees(machine, monkeypatch, visible, name):
    machine(TWO)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cards.device().name == name
    assert cards.is_card() == (name != roster.CPU)
    assert cards.compute_mode() == ("exclusive process" if name.startswith("RTX 3050") else "")


def test_the_number_of_the_only_card_is_of_no_interest(machine):
    machine(TWO[:1])
    assert cards.device().name == "RTX 4090"


def test_two_cards_of_the_same_name_are_not_one_that_is_shared(machine, monkeypatch):
    machine([TWO[1], replace(TWO[1], uuid="GPU-cc33")])
    names = set()
    for visible in ("0", "1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        names.add(cards.device().name)
    assert names == {"RTX 3050, card 0", "RTX 3050, card 1"}


def test_a_worker_that_is_to_use_the_cpu_has_no_card(machine, settings):
    machine(TWO)
    settings.DEVICE = "cpu"
    assert cards.device().name == roster.CPU


def put_amd(bus, number, total):
    device = bus / f"0000:0{number}:00.0"
    device.mkdir()
    facts = {"vendor": "0x1002", "class": "0x030000", "product_name": f"Radeon {number}"}
    facts |= {"mem_info_vram_total": str(total), "mem_info_vram_used": str(GIB)}
    for name, value in facts.items():
        (device / name).write_text(f"{value}\n")


def test_amds_cards_are_counted_by_the_bus_if_torch_is_built_for_them(machine, monkeypatch):
    machine(None)
    put_amd(graphics.PCI_DEVICES, 2, 8 * GIB)
    put_amd(graphics.PCI_DEVICES, 1, 16 * GIB)
    assert cards.device().name == roster.CPU, "torch is built for CUDA, or the CPU"
    monkeypatch.setattr(graphics, "torch_build", lambda: graphics.Build(hip="7.2"))
    assert cards.device() == cards.Device("Radeon 1", 16 * GIB, 15 * GIB)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert cards.device().name == "Radeon 2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert cards.device().name == roster.CPU


def test_an_intel_card_is_named_if_torch_is_built_for_it(machine, monkeypatch, settings):
    machine(None)
    monkeypatch.setattr(graphics, "makers", lambda: {graphics.INTEL})
    assert cards.device().name == roster.CPU
    monkeypatch.setattr(graphics, "torch_build", lambda: graphics.Build(xpu="20250301"))
    settings.WORKER_MEMORY_GB = 1
    assert cards.device().name == "Intel graphics card"
    assert cards.device().total == 10**9, "AURAVIDEO_WORKER_MEMORY says how much it has"


def test_a_mac_offers_what_metal_recommends(machine, monkeypatch, settings):
    machine(None)
    monkeypatch.setattr(operating_system, "has_apple_chip", lambda: True)
    monkeypatch.setattr(operating_system, "main_memory", lambda: (24 * GIB, 20 * GIB))
    monkeypatch.setattr(operating_system, "processor_name", lambda: "Apple M3")
    assert cards.device() == cards.Device("GPU of Apple M3", 16 * GIB, 16 * GIB)
    settings.DEVICE = "cpu"
    assert cards.device() == cards.Device(roster.CPU, 24 * GIB, 20 * GIB)
