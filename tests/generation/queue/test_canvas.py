"""The canvas: the right stages, in the right order, on the right queues, carrying ids and nothing else."""

from uuid import UUID, uuid4

import pytest
from celery.canvas import Signature, _chain, chord, group

from generation.domain.plan import plan
from generation.domain.states import Stage
from generation.queue import canvas
from generation.requests import available
from generation.requests.request import parse

JOB = uuid4()


def planned(**changes):
    request = parse({"prompt": "a star", **changes}, available.catalogue(), available.limits())
    return plan(request, available.catalogue().models[request.model])


def tasks(signature: Signature) -> list[Signature]:
    """Every single task of a canvas, depth first."""
    if isinstance(signature, chord):
        return [task for part in signature.tasks for task in tasks(part)] + tasks(signature.body)
    if isinstance(signature, _chain | group):
        return [task for part in signature.tasks for task in tasks(part)]
    return [signature]


def units(signature: Signature) -> list[tuple[str, int]]:
    return [(task.task.rsplit(".", 1)[1], task.args[2]) for task in tasks(signature)]


def test_a_clip_goes_through_all_five_stages_chunk_by_chunk():
    assert units(canvas.canvas(JOB, 1, planned(seconds=2, fps=24))) == [
        ("preprocess", 0),
        ("generate", 0),
        ("interpolate", 0),
        ("upscale", 0),
        ("interpolate", 1),
        ("upscale", 1),
        ("assemble", 0),
    ]


def test_stages_that_the_plan_does_not_need_are_left_out():
    assert units(canvas.canvas(JOB, 1, planned(seconds=1, fps=8))) == [
        ("preprocess", 0),
        ("generate", 0),
        ("upscale", 0),
        ("assemble", 0),
    ]


def test_resuming_leaves_out_what_is_done():
    done = {
        (Stage.PREPROCESS, 0),
        (Stage.GENERATE, 0),
        (Stage.INTERPOLATE, 0),
        (Stage.UPSCALE, 0),
        (Stage.INTERPOLATE, 1),
    }
    assert units(canvas.canvas(JOB, 3, planned(), done)) == [("upscale", 1), ("assemble", 0)]


def test_when_everything_but_the_last_stage_is_done_only_that_is_left():
    whole = planned()
    done = {unit for unit in whole.units if unit[0] is not Stage.ASSEMBLE}
    assert units(canvas.canvas(JOB, 2, whole, done)) == [("assemble", 0)]


@pytest.mark.parametrize("changes", [{}, {"fps": 8}, {"seconds": 1}, {"seconds": 10, "fps": 32}])
def test_messages_carry_ids_are_immutable_and_name_their_queue(changes):
    queues = {"preprocess": "cpu", "assemble": "cpu"}
    for task in tasks(canvas.canvas(JOB, 4, planned(**changes))):
        stage = task.task.rsplit(".", 1)[1]
        assert task.immutable
        assert (UUID(task.args[0]), task.args[1]) == (JOB, 4)
        assert task.options["queue"] == queues.get(stage, stage)
