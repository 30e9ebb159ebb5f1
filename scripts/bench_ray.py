"""The same five empty stages in Ray Serve, the engine of the original system: `make bench-ray`.

Runs in an environment of its own, which the make target creates and removes; it needs `ray[serve]` and `psutil` only.
No database, storage or events take part: these are the figures of the bare engine, for scripts/bench_orchestration.py.
"""

import contextlib
import os
import time
from collections.abc import Iterator

import psutil
import ray
from ray import serve

STAGES = ("preprocess", "generate", "interpolate", "upscale", "assemble")
SEQUENTIAL, AT_ONCE, WARM_UP = 100, 300, 20
LIGHT = {"ray_actor_options": {"num_cpus": 0.1}, "max_ongoing_requests": 1000}


class Stage:
    """Returns what it is given."""

    async def __call__(self, job: int) -> int:
        return job


class Pipeline:
    """Calls the stages one after the other."""

    def __init__(self, *stages: serve.handle.DeploymentHandle) -> None:
        self.stages = stages

    async def __call__(self, job: int) -> int:
        for stage in self.stages:
            job = await stage.remote(job)
        return job


def main() -> None:
    print(f"load of the machine {os.getloadavg()[0]:.1f}; Ray {ray.__version__}")
    started = time.monotonic()
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, object_store_memory=200_000_000)
    stages = [serve.deployment(Stage, name=name, **LIGHT).bind() for name in STAGES]
    pipeline = serve.run(serve.deployment(Pipeline, **LIGHT).bind(*stages), route_prefix=None)
    pipeline.remote(1).result()
    print(f"from start to the first clip done   {time.monotonic() - started:8.1f} s")
    _report_memory()
    for job in range(WARM_UP):
        pipeline.remote(job).result()
    seconds = sorted(_seconds(pipeline, job) for job in range(SEQUENTIAL))
    quick, median, slow = (seconds[int(part * SEQUENTIAL)] * 1000 for part in (0.05, 0.5, 0.95))
    print(f"latency of a clip, one at a time    {median:8.1f} ms median, {quick:.1f} ms 5 %, {slow:.1f} ms 95 %")
    used, before = _processor_seconds(), time.monotonic()
    for answer in [pipeline.remote(job) for job in range(AT_ONCE)]:
        answer.result()
    print(f"throughput                          {AT_ONCE / (time.monotonic() - before):8.1f} clips/s")
    print(f"processor time of all processes     {(_processor_seconds() - used) / AT_ONCE * 1000:8.1f} ms a clip")
    serve.shutdown()
    ray.shutdown()


def _seconds(pipeline: serve.handle.DeploymentHandle, job: int) -> float:
    before = time.monotonic()
    pipeline.remote(job).result()
    return time.monotonic() - before


def _processes() -> Iterator[psutil.Process]:
    """Yield Ray's processes: the children of this one, and those that its daemon started."""
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if "ray::" in command or "raylet" in command or "gcs_server" in command or process.pid == os.getpid():
            yield process


def _processor_seconds() -> float:
    return sum(sum(process.cpu_times()[:2]) for process in _processes())


def _report_memory() -> None:
    resident = unique = count = 0
    for process in _processes():
        with contextlib.suppress(psutil.Error):  # it has just ended
            found = process.memory_full_info()
            resident, unique, count = resident + found.rss, unique + found.uss, count + 1
    print(f"memory of {count} processes               {resident / 1e6:8.0f} MB resident, {unique / 1e6:.0f} MB unique")


if __name__ == "__main__":
    main()
