"""A message goes to the smallest memory class that holds its model, and only workers that have that memory read it."""

import pytest

from auravideo.celery import app
from generation.domain.memory_classes import (
    ALL_QUEUES,
    BASE,
    CLASSES,
    GB,
    base_of,
    can_take,
    queue_for,
    queues_within,
    with_classes,
)
from generation.domain.stages import QUEUES

CARDS = {"none": 4, "4 GB": 4.3, "8 GB": 8.58, "12 GB": 12.88, "24 GB": 25.77, "80 GB": 85.5, "H200": 150.7}


@pytest.mark.parametrize(
    ("needed", "queue"),
    [(0, "generate"), (6, "generate"), (6.1, "generate-8gb"), (8, "generate-8gb"), (20.9, "generate-24gb")],
)
def test_a_model_goes_to_the_smallest_class_that_holds_it(needed, queue):
    assert queue_for("generate", int(needed * GB)) == queue


def test_a_model_beyond_every_class_goes_to_the_largest():
    assert queue_for("upscale", 500 * GB) == "upscale-140gb"


def test_work_without_a_model_has_one_queue():
    assert queue_for("cpu", 100 * GB) == "cpu"
    assert queues_within(["cpu"], 100 * GB) == ("cpu",)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("needed", [*CLASSES, 7, 9, 30])
def test_who_reads_a_class_can_hold_its_models_and_who_can_hold_them_reads_it(card, needed):
    """The base queue aside, where a worker checks the memory itself."""
    memory = int(CARDS[card] * GB)
    target = queue_for("generate", needed * GB)
    reads = target in queues_within(["generate"], memory)
    assert not reads or memory >= needed * GB
    if memory >= next(size for size in CLASSES if size >= needed) * GB:
        assert reads


@pytest.mark.parametrize(
    ("memory", "needed", "can"),
    [(4.3, 4, True), (4.3, 5, False), (6.4, 6.2, False), (8.6, 6.2, True), (150, 500, False), (600, 500, True)],
)
def test_a_worker_is_handed_what_it_has_the_memory_for_and_reads_the_queue_of(memory, needed, can):
    assert can_take("generate", int(memory * GB), int(needed * GB)) is can


def test_every_worker_reads_its_stage():
    assert queues_within(["generate", "upscale"], 0) == ("generate", "upscale")


def test_a_class_named_on_the_command_line_stands_for_its_stage():
    assert queues_within(["generate-24gb"], BASE * GB) == ("generate",)


def test_the_broker_knows_every_class_and_each_has_its_stage():
    assert set(app.amqp.queues) == set(ALL_QUEUES)
    assert {base_of(name) for name in ALL_QUEUES} == set(QUEUES)
    assert {name for queue in QUEUES for name in with_classes(queue)} == set(ALL_QUEUES)
