"""Memory that runs out in the middle of a clip costs the step it ran out in, and no more."""

import logging

import numpy as np
import pytest
import torch

from generation.catalogue.diffusers_names import ANIMATEDIFF_SCHEDULERS
from tests.sampling import every
from tests.workers.engines.test_pausing import STEPS, make, recorder


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def running_out(engine, step):
    """Let memory run out once, in the network, when so many steps are done. Return the passes through the network."""
    engine.load()
    passes = []

    def fail(*_call):
        passes.append(engine._rung.name)
        if len(passes) == step + 1:
            raise out_of_memory()

    engine._pipeline.unet.conv_in.register_forward_pre_hook(fail)
    return passes


@pytest.mark.parametrize("scheduler", every(3, ANIMATEDIFF_SCHEDULERS))
def test_a_clip_goes_on_after_its_last_whole_step_and_is_the_same(new_engine, scheduler):
    sampling = {"scheduler": {"class": scheduler}, "frames": 1}
    whole, engine, (steps, on_step) = make(new_engine(), **sampling), new_engine(), recorder()
    running_out(engine, 2)
    made = make(engine, on_step, **sampling)
    assert abs(made.astype(int) - whole).max() <= 1, "of the same latents, in another mode"
    assert engine._rung.name != "full"
    assert steps[:4] == [0, 1, 2, 2], "progress stands where it was"
    assert steps[4:] == list(range(3, max(steps) + 1)), "no step is taken twice"


def test_a_clip_longer_than_the_window_goes_on_too(new_engine):
    options = {"frames": 6, "guidance": 1.0}
    whole = make(new_engine(context_length=4, context_stride=2), **options)
    engine, (steps, on_step) = new_engine(context_length=4, context_stride=2), recorder()
    failing = running_out(engine, 3)
    made = make(engine, on_step, **options)
    assert abs(made.astype(int) - whole).max() <= 1
    assert len(failing) > 3
    assert steps.count(0) == 1, "it did not begin again"


def test_memory_that_runs_out_again_and_again_costs_a_step_each_time(new_engine):
    whole, engine, (steps, on_step) = make(new_engine()), new_engine(), recorder()
    engine.load()
    failed = []

    def fail(*_call):
        if steps and steps[-1] not in failed and steps[-1] in (1, 2, 3):
            failed.append(steps[-1])
            raise out_of_memory()

    engine._pipeline.unet.conv_in.register_forward_pre_hook(fail)
    made = make(engine, on_step)
    assert failed == [1, 2, 3]
    assert steps[: 2 * STEPS] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert abs(made.astype(int) - whole).max() <= 2


def test_memory_that_runs_out_in_the_first_step_leaves_nothing_to_keep(new_engine, caplog):
    whole, engine, (steps, on_step) = make(new_engine()), new_engine(), recorder()
    running_out(engine, 0)
    with caplog.at_level(logging.WARNING):
        made = make(engine, on_step)
    assert abs(made.astype(int) - whole).max() <= 1
    assert steps[:2] == [0, 0]
    assert "cannot be kept" not in caplog.text


def test_a_step_that_ran_out_of_memory_in_the_scheduler_is_taken_from_the_start(new_engine, monkeypatch):
    """What the scheduler remembers by then is of a step that never was."""
    from diffusers import DPMSolverMultistepScheduler as Scheduler

    sampling = {"scheduler": {"class": "DPMSolverMultistepScheduler"}}
    whole, engine, (steps, on_step) = make(new_engine(), **sampling), new_engine(), recorder()
    update, calls = Scheduler.multistep_dpm_solver_second_order_update, []

    def failing(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise out_of_memory()
        return update(self, *args, **kwargs)

    monkeypatch.setattr(Scheduler, "multistep_dpm_solver_second_order_update", failing)
    made = make(engine, on_step, **sampling)
    assert abs(made.astype(int) - whole).max() <= 1
    assert steps.count(0) == 2
    assert len(calls) > 1


def test_other_errors_keep_nothing(new_engine):
    engine = new_engine()
    engine.load()
    clips, attempt, passes = [], engine._attempt, []
    engine._attempt = lambda clip, *rest: clips.append(clip) or attempt(clip, *rest)

    def fail(*_call):
        passes.append(1)
        if len(passes) == 3:
            raise RuntimeError("size mismatch")

    engine._pipeline.unet.conv_in.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="size mismatch"):
        make(engine)
    assert [clip.checkpoint for clip in clips] == [None]
    assert isinstance(make(engine), np.ndarray)
