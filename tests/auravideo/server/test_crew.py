"""Which workers a machine runs, from AURAVIDEO_WORKERS and --queues."""

import pytest

from auravideo.core.metrics import gpus
from auravideo.server import crew
from generation.domain.stages import QUEUES
from tests.rigs import nvml


def test_without_a_description_there_is_one_worker_for_each_queue():
    assert [(worker.name, worker.queue, worker.device) for worker in crew.parse("")] == [
        (queue, queue, "") for queue in QUEUES
    ]


def test_each_worker_has_a_card_and_a_name_of_its_own():
    found = crew.parse(" generate:0, generate:1,upscale:cpu ,cpu")
    assert [(worker.name, worker.queue, worker.device) for worker in found] == [
        ("generate-0", "generate", "0"),
        ("generate-1", "generate", "1"),
        ("upscale-cpu", "upscale", "cpu"),
        ("cpu", "cpu", ""),
    ]
    assert found[0].node("rack2") == "generate-0@rack2"


def test_workers_that_share_a_card_have_different_names():
    assert [worker.name for worker in crew.parse("upscale:0,upscale:0,upscale:0")] == [
        "upscale-0",
        "upscale-0-no2",
        "upscale-0-no3",
    ]


@pytest.mark.parametrize(
    ("device", "visible"),
    [
        ("", None),
        (":3", "3"),
        (":cpu", ""),
        (":GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"),
        (":MIG-8932f937-d72c-4106-c12f-20bd9faed9f6", "MIG-8932f937-d72c-4106-c12f-20bd9faed9f6"),
    ],
)
def test_a_worker_sees_only_its_card(device, visible):
    (worker,) = crew.parse(f"generate{device}")
    assert worker.environment.get("CUDA_VISIBLE_DEVICES") == visible


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paint", "no queue named paint. The queues: cpu, generate, interpolate, upscale"),
        ("generate:", "'generate:' names no graphics card"),
        ("generate:first", "'generate:first' names no graphics card"),
        ("generate:0:1", "'generate:0:1' names no graphics card"),
        ("generate;cpu", "no queue named generate;cpu"),
    ],
)
def test_a_mistake_is_named(text, message):
    with pytest.raises(crew.InvalidCrew, match=message):
        crew.parse(text)


def test_a_machine_is_named_after_its_host_unless_it_has_a_name(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    assert crew.host(None) == "box"
    assert crew.host("rack-2.gpu") == "rack-2.gpu"
    with pytest.raises(crew.InvalidCrew, match="'a@b' is not a valid name"):
        crew.host("a@b")


# --- Cards that are not here ------------------------------------------------------------------------------------------

CARDS = [nvml.Card(f"GPU-{name}-1111", used=0, total=12 * 10**9, busy=0, name=f"RTX {name}") for name in ("aa", "bb")]


def check(text, cards, monkeypatch):
    nvml.install(monkeypatch, cards)
    crew.check_cards(crew.parse(text), gpus.read(), gpus.count())


@pytest.mark.parametrize("text", ["generate:2", "cpu,generate:0,upscale:5", "generate:GPU-cc"])
def test_a_card_that_is_not_here_is_refused_and_those_that_are_here_are_named(text, monkeypatch):
    with pytest.raises(crew.InvalidCrew, match=r"not here\. This machine's: 0 \(RTX aa, GPU-aa-1111\), 1 \(RTX bb"):
        check(text, CARDS, monkeypatch)


@pytest.mark.parametrize(
    "text", ["generate:0,generate:1,upscale:1", "generate:GPU-bb", "upscale:cpu", "", "generate:MIG-1"]
)
def test_cards_that_are_here_are_taken_by_number_and_by_the_beginning_of_their_uuid(text, monkeypatch):
    check(text, CARDS, monkeypatch)


def test_a_card_that_has_failed_is_no_reason_to_start_none(monkeypatch):
    lost = nvml.Card("GPU-bb-1111", used=0, total=1, busy=0, is_lost=True)
    check("generate:0,generate:1,upscale:GPU-bb", [CARDS[0], lost], monkeypatch)
    with pytest.raises(crew.InvalidCrew):
        check("generate:2", [CARDS[0], lost], monkeypatch)


def test_without_nvidias_driver_the_numbers_may_be_those_of_other_cards(monkeypatch):
    check("generate:0,upscale:1", None, monkeypatch)
    check("generate:0,upscale:1", [], monkeypatch)


def test_each_worker_sees_its_card_whatever_the_maker():
    assert crew.parse("generate:1")[0].environment == {"CUDA_VISIBLE_DEVICES": "1", "ZE_AFFINITY_MASK": "1"}
    assert crew.parse("generate:GPU-bb")[0].environment == {"CUDA_VISIBLE_DEVICES": "GPU-bb"}
    assert crew.parse("generate:cpu")[0].environment == {"CUDA_VISIBLE_DEVICES": "", "AURAVIDEO_DEVICE": "cpu"}
