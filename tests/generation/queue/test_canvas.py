"""The canvas has the right stages, in the right order, on the right queues, and carries only IDs."""

from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from celery.canvas import Signature, _chain, chord, group

from generation.domain.plan import Plan, plan
from generation.domain.stages import STAGES, task_of
from generation.domain.states import Stage
from generation.queue import canvas
from generation.requests import available
from generation.requests.request import parse

JOB = uuid4()


def planned(**changes):
    request = parse({"prompt": "a star", **changes}, available.catalogue(), available.limits())
    return plan(request, available.catalogue().models[request.model])


def tasks(signature: Signature) -> list[Signature]:
    """Yield every task of a canvas, depth first."""
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


KINDS = [
    {"fps": fps, "seconds": seconds, "size": size}
    for fps in (8, 24)  # without and with interpolation
    for seconds in (1, 3)  # one chunk and several
    for size in ("64x64", "128x128", "256x256", "512x512")  # no upscaling, then by 2, 4 and 8
]


def every_plan() -> list[Plan]:
    """Return plans that together include every stage, and leave out every optional one."""
    model = available.catalogue().models["tiny"]
    sizes = [tuple(map(int, kind["size"].split("x"))) for kind in KINDS]
    asked = [
        SimpleNamespace(width=width, height=height, seconds=kind["seconds"], fps=kind["fps"])
        for kind, (width, height) in zip(KINDS, sizes, strict=True)
    ]
    return [plan(each, model) for each in asked]


def test_the_plans_of_this_test_are_of_every_kind():
    plans = every_plan()
    assert {stage for made in plans for stage in made.stages} == set(STAGES)
    assert {made.upscale for made in plans} == {1, 2, 4, 8}
    assert {len(made.chunks) > 1 for made in plans} == {True, False}


@pytest.mark.parametrize("made", every_plan(), ids=[str(kind) for kind in KINDS])
def test_the_canvas_does_what_the_plan_says_and_nothing_else(made):
    assert sorted(units(canvas.canvas(JOB, 1, made))) == sorted((str(stage), chunk) for stage, chunk in made.units)


@pytest.mark.parametrize("made", every_plan(), ids=[str(kind) for kind in KINDS])
def test_wherever_a_job_stopped_its_canvas_is_what_is_left(made):
    whole = list(made.units)
    for stopped in range(len(whole)):
        left = [(str(stage), chunk) for stage, chunk in whole[stopped:]]
        assert sorted(units(canvas.canvas(JOB, 1, made, whole[:stopped]))) == sorted(left)


@pytest.mark.parametrize("made", every_plan(), ids=[str(kind) for kind in KINDS])
def test_a_stage_waits_for_what_it_reads(made):
    """Listed depth first, the tasks of a canvas are in an order in which a single worker could run them."""
    order = units(canvas.canvas(JOB, 1, made))
    for before, after in pairwise(made.stages):
        for chunk in range(len(made.chunks)):
            first = order.index((str(before), chunk if STAGES[before].per_chunk else 0))
            assert first < order.index((str(after), chunk if STAGES[after].per_chunk else 0))


@pytest.mark.parametrize("changes", [{}, {"fps": 8}, {"seconds": 1}, {"seconds": 10, "fps": 32}])
def test_messages_carry_ids_are_immutable_and_name_their_queue(changes):
    for task in tasks(canvas.canvas(JOB, 4, planned(**changes))):
        assert task.immutable
        assert (UUID(task.args[0]), task.args[1]) == (JOB, 4)
        assert task.options["queue"] == QUEUE_OF[task.task]


QUEUE_OF = {
    "workers.tasks.preprocess": "cpu",
    "workers.tasks.generate": "generate",
    "workers.tasks.interpolate": "interpolate",
    "workers.tasks.upscale": "upscale",
    "workers.tasks.assemble": "cpu",
}


def test_tasks_and_queues_keep_the_names_of_every_earlier_version():
    """Messages queued during an update are read by the new version: add stages here, never rename one."""
    assert {task_of(stage): spec.queue for stage, spec in STAGES.items()} == QUEUE_OF
