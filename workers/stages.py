"""The five stages: what each reads, runs and writes. Deliberately thin; the engines do the work."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from django.conf import settings

from generation.catalogue import vocabulary
from generation.catalogue.load import BaseModel
from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.plan import Chunk, Plan
from generation.domain.states import Stage
from generation.requests import available, prompts
from generation.requests.request import RenderRequest, parse
from workers import assembly, engine_factory, frame_store, loading, transfers
from workers.device import checkpoints
from workers.encoding import stored
from workers.encoding.parts import Part, Span
from workers.runner import Context


def preprocess(context: Context) -> dict:
    """Check that the request can be rendered here, plan it, and record warnings."""
    request, plan = context.request, context.plan
    parse(request.to_dict(), available.catalogue(), available.limits())
    engine_factory.verify_all(request)
    context.warn(_warnings(request))
    return {
        "base": [plan.base_frames, plan.base_height, plan.base_width],
        "factor": plan.factor,
        "upscale": plan.upscale,
        "chunks": len(plan.chunks),
    }


def generate(context: Context) -> dict:
    """Run AnimateDiff: all base frames in one pass, written chunk by chunk. After a pause, go on where it stopped."""
    plan, request = context.plan, context.request
    with loading.shown(context.held):
        engine = engine_factory.text_to_video(request)
    model = available.catalogue().models[request.model]
    prompt, negative_prompt = (prompts.for_engine(text, model, plan) for text in _texts(request))
    with checkpoints.kept(context.job.pk, context.patiently) as checkpoint:
        clip = engine.generate(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=plan.base_width,
            height=plan.base_height,
            frames=plan.base_frames,
            steps=request.steps,
            guidance=request.guidance,
            seed=context.job.seed,
            on_step=context.on_step,
            loras=engine_factory.loras(request),
            checkpoint=checkpoint,
        )
    writes = [
        partial(frame_store.write_chunk, context.job.pk, Stage.GENERATE, chunk.index, frames, plan.native_fps)
        for chunk, frames in _cut(clip, plan)
    ]
    transfers.together(writes, context.patiently)
    if checkpoint is not None:
        checkpoints.drop(context.job.pk)
    return {"frames": len(clip)}


def interpolate(context: Context) -> dict:
    """Run FILM on one chunk: fill in the frames between the base frames."""
    with loading.shown(context.held):
        engine = engine_factory.interpolation(context.request)
    clip = engine.interpolate(_input(context), context.plan.factor, context.on_step)
    return _output(context, clip[list(context.plan.kept(context.plan.chunks[context.chunk]))])


def upscale(context: Context) -> dict:
    """Run Real-ESRGAN on the frames of one chunk."""
    with loading.shown(context.held):
        engine = engine_factory.upscaling(context.request)
    return _output(context, engine.upscale(_input(context), context.plan.upscale, context.on_step))


def assemble(context: Context) -> dict:
    """Write the video, poster, hover preview and thumbnail to permanent storage.

    Frames are kept until the job is done; the task then deletes them (workers/tasks.py).
    """
    with tempfile.TemporaryDirectory(prefix="auravideo-") as folder:
        clips, ready = partial(_finished_frames, context), partial(_ready_part, context)
        return assembly.build(context.job, context.plan, clips, Path(folder), context.on_step, context.patiently, ready)


def _cut(clip: np.ndarray, plan: Plan) -> Iterator[tuple[Chunk, np.ndarray]]:
    """Yield each chunk with its base frames; without interpolation, only those that the clip will have."""
    for chunk in plan.chunks:
        frames = clip[chunk.start : chunk.stop]
        yield chunk, frames if plan.factor > 1 else frames[list(plan.kept(chunk))]


def _warnings(request: RenderRequest) -> list[dict[str, object]]:
    """Return warnings for the user: a text exceeds the token limit, or has words or syntax the model doesn't know."""
    model = available.catalogue().models[request.model]
    return [
        *_cuts(request, model),
        *(warning for text in _texts(request) for warning in prompts.warnings(text, model)),
        *vocabulary.warnings(prompts.plain(request.engine_prompt), model, settings.HOME),
    ]


def _texts(request: RenderRequest) -> tuple[str, str]:
    return request.engine_prompt, request.negative_prompt


def _cuts(request: RenderRequest, model: BaseModel) -> Iterator[dict[str, object]]:
    """Yield a warning for each text whose end the text encoder does not read; AnimateDiff's engine reads all of it."""
    if model.is_animatediff:
        return
    for id, text in zip(("prompt-cut", "negative-prompt-cut"), _texts(request), strict=True):
        count = engine_factory.count_tokens(request, prompts.plain(text))
        if count > model.max_prompt_tokens:
            yield {"id": id, "tokens": count, "limit": model.max_prompt_tokens}


def _ready_part(context: Context, span: Span) -> Part | None:
    """Return what was encoded while later chunks were upscaled (workers/encoding/ahead.py)."""
    context.check()
    job, format = context.job, context.request.format
    return context.patiently(partial(stored.read, job.pk, context.held.run, context.plan, format, span))


def _finished_frames(context: Context, chunks: Sequence[Chunk]) -> Iterator[np.ndarray]:
    """Yield the finished frames by chunk, uint8 [F, H, W, 3]; the next chunk is read while this one is encoded."""
    stage = context.plan.stages[-2]
    keys = [storage_keys.chunk(context.job.pk, stage, chunk.index) for chunk in chunks]
    clips = transfers.ahead(frame_store.read_chunk, keys, context.patiently)
    for key, chunk, clip in zip(keys, chunks, clips, strict=True):
        context.check()
        if len(clip) != chunk.frames:
            raise RenderError("frames-corrupt", key=key)
        yield clip


def _input(context: Context) -> np.ndarray:
    stages = context.plan.stages
    before = stages[stages.index(context.stage) - 1]
    key = storage_keys.chunk(context.job.pk, before, context.chunk)
    return context.patiently(partial(frame_store.read_chunk, key))


def _output(context: Context, clip: np.ndarray) -> dict:
    """Write a chunk after checking its frame count against the plan."""
    if len(clip) != context.plan.chunks[context.chunk].frames:
        raise ValueError(f"{context.stage} made {len(clip)} frames of chunk {context.chunk}")
    write = partial(frame_store.write_chunk, context.job.pk, context.stage, context.chunk, clip, context.plan.fps)
    context.patiently(write)
    return {"frames": len(clip)}
