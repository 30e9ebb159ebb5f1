"""The five stages: what each reads, what it computes with, what it writes. Thin: the work is in the engines."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from django.conf import settings
from generation.fetch import verify

from generation import services
from generation.errors import RenderError
from generation.params import parse
from generation.states import Stage
from workers import assembly, engines, frames
from workers.runner import Context


def preprocess(context: Context) -> dict:
    """Check that the request can still be rendered here, plan it, and warn of what the model will not read."""
    catalogue = services.catalogue()
    parse(context.request.to_dict(), catalogue, services.limits())
    model = catalogue.models[context.request.model]
    verify(model, settings.HOME)
    warnings = engines.prompt_warnings(model, context.request)
    services.warn(context.job, warnings)
    plan = context.plan
    return {
        "base": [plan.base_frames, plan.base_height, plan.base_width],
        "factor": plan.factor,
        "upscale": plan.upscale,
    }


def generate(context: Context) -> dict:
    """AnimateDiff: all base frames in one pass, written chunk by chunk."""
    plan, request = context.plan, context.request
    engine = engines.animatediff(request)
    clip = engine.generate(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=plan.base_width,
        height=plan.base_height,
        frames=plan.base_frames,
        steps=request.steps,
        guidance=request.guidance,
        seed=context.job.seed,
        on_step=context.on_step,
    )
    fps = plan.fps // plan.factor
    for chunk in plan.chunks:
        frames.write_chunk(context.job.pk, Stage.GENERATE, chunk.index, clip[chunk.start : chunk.stop], fps)
    return {"frames": len(clip)}


def interpolate(context: Context) -> dict:
    """FILM: the frames between the base frames of one chunk."""
    chunk = _input(context)
    result = engines.film().interpolate(chunk, context.plan.factor, context.on_step)
    return _output(context, result)


def upscale(context: Context) -> dict:
    """Real-ESRGAN: the frames of one chunk, enlarged."""
    chunk = _input(context)
    result = engines.realesrgan().upscale(chunk, context.plan.upscale, context.on_step)
    return _output(context, result)


def assemble(context: Context) -> dict:
    """The video, its poster and its hover preview, in permanent storage; the frames are deleted."""
    with tempfile.TemporaryDirectory(prefix="auravideo-") as folder:
        output = assembly.build(
            context.job, context.plan, lambda: _finished_frames(context), Path(folder), context.on_step
        )
    return output


def _finished_frames(context: Context) -> Iterator[np.ndarray]:
    """The finished frames of every chunk, uint8 [F, H, W, 3], in order, one chunk in memory at a time."""
    stage = context.plan.stages[-2]
    for chunk in context.plan.chunks:
        context.check()
        clip = frames.read_chunk(frames.chunk_key(context.job.pk, stage, chunk.index))
        if len(clip) != chunk.frames:
            raise RenderError("frames-corrupt")
        yield clip


def _input(context: Context) -> np.ndarray:
    stages = context.plan.stages
    before = stages[stages.index(context.stage) - 1]
    return frames.read_chunk(frames.chunk_key(context.job.pk, before, context.chunk))


def _output(context: Context, clip: np.ndarray) -> dict:
    """Write a chunk, and refuse one that does not have the frames that the plan says."""
    if len(clip) != context.plan.chunks[context.chunk].frames:
        raise ValueError(f"{context.stage} made {len(clip)} frames of chunk {context.chunk}")
    frames.write_chunk(context.job.pk, context.stage, context.chunk, clip, context.plan.fps)
    return {"frames": len(clip)}
