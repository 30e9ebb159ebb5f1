"""Which workers a machine runs, from AURAVIDEO_WORKERS and --queues."""

import pytest

from auravideo.server import crew
from generation.domain.stages import QUEUES


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
