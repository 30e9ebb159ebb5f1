"""A rig: a real worker whose models weigh nothing, for what needs many workers or cards of many sizes.

`python -m tests.rigs.light_worker OPTIONS...` is `celery worker OPTIONS...` with the site's own tasks, claims, roster,
frame store and events. Only the networks are stand-ins: they load for LIGHT_LOAD seconds, run for LIGHT_SECONDS per
unit in steps, report progress and can be cancelled like the real ones, and return frames of the right number and size.
With LIGHT_STAGES=none, whole stages are empty, and nothing but the orchestration is left. LIGHT_TROUBLE names a file in
which a test writes what the next stage of a kind should suffer once its work is done: `generate hang`. With
CHAOS_TROUBLE, it is a troubled worker too (tests/rigs/troubled_worker.py), whose engines never run out of memory.

What it cannot show: memory and speed of real models.
"""

import ctypes
import os
import sys
import time
from pathlib import Path

import numpy as np

from tests.rigs import worker_faults
from tests.rigs.trouble import VARIABLE, Trouble

STEPS = 10


def _seconds(name: str) -> float:
    return float(os.environ.get(name, "0"))


class LightEngine:
    """Answers like every kind of engine."""

    def __init__(self) -> None:
        self.loaded = False

    @property
    def memory_bytes(self) -> int:
        return 1 if self.loaded else 0

    def load(self) -> None:
        time.sleep(_seconds("LIGHT_LOAD"))
        self.loaded = True

    def release(self) -> None:
        self.loaded = False

    def park(self) -> None:
        pass

    def generate(self, *, width, height, frames, on_step, **_asked) -> np.ndarray:
        self._work(on_step)
        ramp = np.linspace(0, 255, width, dtype=np.uint8)
        return np.broadcast_to(ramp[None, None, :, None], (frames, height, width, 3)).copy()

    def interpolate(self, frames, factor, on_step) -> np.ndarray:
        self._work(on_step)
        return np.repeat(frames[:-1], factor, axis=0)

    def upscale(self, frames, factor, on_step) -> np.ndarray:
        self._work(on_step)
        return frames.repeat(factor, axis=1).repeat(factor, axis=2)

    def _work(self, on_step) -> None:
        for step in range(STEPS):
            on_step(step, STEPS, None)
            time.sleep(_seconds("LIGHT_SECONDS") / STEPS)
        on_step(STEPS, STEPS, None)


def lighten() -> None:
    """Put the stand-ins in place of the networks, under the same names."""
    from workers import engine_factory
    from workers.engines import registry

    def text_to_video(request):
        return registry.get(("text-to-video", request.model, request.motion_adapter), LightEngine)

    def of_kind(kind):
        def get(request):
            model = engine_factory.available.catalogue().models[request.model]
            return registry.get(
                (kind, getattr(model, {"interpolation": "interpolator"}.get(kind, "upscaler"))), LightEngine
            )

        return get

    engine_factory.text_to_video = text_to_video
    engine_factory.loras = lambda _request: []
    engine_factory.interpolation = of_kind("interpolation")
    engine_factory.upscaling = of_kind("upscaling")
    engine_factory.count_tokens = lambda request, text=None: len((text or request.engine_prompt).split()) + 2
    engine_factory.verify_all = lambda _request: None
    if os.environ.get("LIGHT_STAGES") == "none":
        _empty_stages()
    if trouble := os.environ.get("LIGHT_TROUBLE"):
        _make_trouble(Path(trouble))
    if budget := os.environ.get("LIGHT_ENGINES"):  # how many engines fit at once; each weighs one byte
        registry.configure(int(budget))
    if folder := os.environ.get(VARIABLE):
        worker_faults.install(Trouble(Path(folder)))


def _empty_stages() -> None:
    """Let every stage return at once, so that only the orchestration is left: for scripts/bench_orchestration.py.

    Engines are held as usual: a worker that holds none would look for one that does at every stage.
    """
    from generation.domain.states import Stage
    from workers import engine_factory, stages

    files = dict.fromkeys(("video", "poster", "preview", "thumbnail"), "none")
    made = {**files, "size": 0, "width": 64, "height": 64, "frames": 8, "fps": 8}
    engines = {
        Stage.GENERATE: engine_factory.text_to_video,
        Stage.INTERPOLATE: engine_factory.interpolation,
        Stage.UPSCALE: engine_factory.upscaling,
    }

    def nothing(context):
        if context.stage in engines:
            engines[context.stage](context.request)
        return made

    for stage in Stage:
        setattr(stages, stage, nothing)


def _make_trouble(file: Path) -> None:
    """Let a stage suffer what `file` says: `STAGE sleep` (threads go on), or `STAGE hang` (in C, nothing goes on).

    The file is removed first, so this happens once; `STAGE sleep always` stays.
    """
    from generation.domain.states import Stage
    from workers import stages

    def suffering(stage, work):
        def run(context):
            output = work(context)
            words = file.read_text().split() if file.exists() else [""]
            if words[0] == stage:
                if words[-1] != "always":
                    file.unlink()
                if words[1] == "sleep":
                    time.sleep(3600)
                ctypes.PyDLL(None).sleep(3600)  # does not let go of the interpreter's lock
            return output

        return run

    for stage in Stage:
        setattr(stages, stage, suffering(stage, getattr(stages, stage)))


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
    django.setup()
    from auravideo.celery import app

    lighten()
    app.worker_main(["worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO", *sys.argv[1:]])


if __name__ == "__main__":
    main()
