"""Cost of the orchestration alone: `make bench-orchestration`. Five empty stages, everything else as in production.

Starts a Redis (or RabbitMQ), a database and one worker process per queue, whose stages return at once
(tests/rigs/light_worker.py), and submits clips of one chunk: preprocess, generate, interpolate, upscale, assemble.
Claims, heartbeats, events, results and the video's row are real. The scheduler and the pages are not part of it.
The figures are in docs/scaling.md, beside those of Ray Serve (scripts/bench_ray.py).
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from auravideo.server import redis_server
from tests import postgres

QUEUES = ("cpu", "generate", "interpolate", "upscale")
CLIP = {"prompt": "a red heart", "seconds": 1, "fps": 24, "size": "128x128"}  # one chunk, all five stages
PATIENCE = 180


def main() -> int:
    options = _options()
    print(f"load {os.getloadavg()[0]:.1f}; database {options.database}; {options.workers} workers a queue")
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        os.environ.update(_environment(options, home, stack))
        _set_up()
        redis = redis_server.start(home / "redis" / "redis.sock")
        if redis is not None:
            stack.callback(redis.wait)
            stack.callback(redis.terminate)
        started = time.monotonic()
        workers = stack.enter_context(_workers(home, options.workers))
        user = _user("bench")
        _wait_for([_submit(user)])
        print(f"from start to the first clip done   {time.monotonic() - started:8.1f} s")
        _report_memory(workers)
        _latency(user, options.sequential)
        _throughput(options.clips, workers)
        _single_costs(user, options.rounds)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--broker", default="", help="amqp:// address of a RabbitMQ to use instead of Redis")
    parser.add_argument("--workers", type=int, default=1, help="processes per queue")
    parser.add_argument("--sequential", type=int, default=100, help="clips, one after the other, for the latency")
    parser.add_argument("--clips", type=int, default=300, help="clips at once, for the throughput")
    parser.add_argument("--rounds", type=int, default=300, help="of each single operation")
    return parser.parse_args()


def _environment(options: argparse.Namespace, home: Path, stack: ExitStack) -> dict[str, str]:
    """Return the site's environment; starts PostgreSQL if asked for, with its durability as shipped."""
    found = {"AURAVIDEO_HOME": str(home), "DJANGO_SETTINGS_MODULE": "auravideo.settings", "LIGHT_STAGES": "none"}
    found |= {"BROKER_URL": options.broker, "OMP_NUM_THREADS": "1", "AURAVIDEO_MAX_ACTIVE_JOBS": "100000"}
    if options.database == "postgresql":
        durable = ("-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on")
        found["DATABASE_URL"] = stack.enter_context(postgres.running(*durable))
    return found


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _workers(home: Path, count: int) -> Iterator[list[subprocess.Popen]]:
    with (home / "workers.log").open("wb") as log:
        started = [
            subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, "-m", "tests.rigs.light_worker", "-Q", queue, "-n", f"{queue}{n}@bench",
                 "--concurrency", "1", "--loglevel", "WARNING"],
                stdout=log, stderr=log,
            )
            for queue in QUEUES for n in range(count)
        ]  # fmt: skip
    try:
        yield started
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.wait(60)
        _print_warnings((home / "workers.log").read_text())


def _print_warnings(log: str) -> None:
    lines = [line for line in log.splitlines() if " WARNING " in line or " ERROR " in line or "Traceback" in line]
    print(*lines[-10:], sep="\n", end="\n" if lines else "")


def _user(name: str) -> Any:
    from accounts.models import User

    return User.objects.create_user(name, f"{name}@example.org")


def _submit(user: Any) -> Any:
    from generation.queue import services
    from generation.requests import available
    from generation.requests.request import parse

    return services.submit(user, parse(CLIP, available.catalogue(), available.limits()))


def _wait_for(jobs: list[Any]) -> list[Any]:
    """Return the jobs as they are when all have ended."""
    from generation.models import Job

    deadline = time.monotonic() + PATIENCE
    ids = [job.pk for job in jobs]
    while Job.objects.filter(pk__in=ids).exclude(status="done").exists():
        if time.monotonic() > deadline:
            raise SystemExit(
                f"not done: {list(Job.objects.exclude(status='done').values_list('status', 'error_id'))[:5]}"
            )
        time.sleep(0.02)
    return list(Job.objects.filter(pk__in=ids))


def _latency(user: Any, count: int) -> None:
    """Submit clips one after the other; from the call of submit to the end of the job, by the same machine's clock."""
    seconds = []
    for _ in range(count):
        before = time.time()
        (job,) = _wait_for([_submit(user)])
        seconds.append(job.ended_at.timestamp() - before)
    seconds.sort()
    quick, median, slow = (seconds[int(part * count)] * 1000 for part in (0.05, 0.5, 0.95))
    print(f"latency of a clip, one at a time    {median:8.1f} ms median, {quick:.1f} ms 5 %, {slow:.1f} ms 95 %")


def _throughput(count: int, workers: list[subprocess.Popen]) -> None:
    from generation.models import StageRun

    users = [_user(f"u{n}") for n in range(20)]
    used = _processor_seconds(workers)
    before = time.time()
    jobs = [_submit(users[n % len(users)]) for n in range(count)]
    submitted = time.time() - before
    done = _wait_for(jobs)
    seconds = max(job.ended_at.timestamp() for job in done) - before
    units = StageRun.objects.filter(job__in=[job.pk for job in jobs], status="done").count()
    print(f"submitting                          {count / submitted:8.1f} clips/s by one process")
    print(f"throughput                          {count / seconds:8.1f} clips/s, {units / seconds:.0f} messages/s")
    clip = (_processor_seconds(workers) - used) / count
    stage = clip * count / units
    print(f"processor time of the workers       {clip * 1000:8.1f} ms a clip, {stage * 1000:.1f} ms a stage")


def _single_costs(user: Any, rounds: int) -> None:
    """Measure what a stage costs the database and Redis, in this process, while the workers are idle."""
    from generation.domain.states import Stage
    from generation.models import Job
    from generation.queue import claims, events, placement, roster
    from tests.factories import JobFactory

    jobs = [JobFactory.create(user=user) for _ in range(rounds)]
    held: list[Any] = []
    request = jobs[0].render_request
    place: dict[str, Any] = {"name": "me", "memory": 10**12, "queues": (), "passes": 0}
    warm = [placement.engine_of(Stage.GENERATE, request)]
    name = roster.members()[0].worker

    def claim(job: Job) -> None:
        held.append(claims.claim(job.pk, job.run, Stage.GENERATE, 0, "bench:1"))

    _time("claiming a unit", jobs, claim)
    _time("finishing a unit", held, lambda run: claims.finish(run, {}))
    _time("an event", jobs, lambda job: events.publish(user.pk, job.pk))
    _time(
        "placement, if the model is warm",
        jobs,
        lambda _job: placement.better_queue(Stage.GENERATE, request, warm=warm, **place),
    )
    _time(
        "placement, if it is not",
        jobs,
        lambda _job: placement.better_queue(Stage.GENERATE, request, warm=[], **place),
    )
    _time("a worker's heartbeat", jobs, lambda _job: roster.beat(name.name, name.pid, memory_free=1, takes_work=True))
    _time("listing the workers", jobs, lambda _job: roster.members())


def _time(what: str, items: list[Any], operation: Callable[[Any], object]) -> None:
    taken = []
    for item in items:
        before = time.perf_counter()
        operation(item)
        taken.append(time.perf_counter() - before)
    print(
        f"{what:<36}{statistics.median(taken) * 1000:8.2f} ms median, {1 / statistics.mean(taken):.0f}/s by one process"
    )


def _processor_seconds(workers: list[subprocess.Popen]) -> float:
    parents = [psutil.Process(worker.pid) for worker in workers]
    processes = [*parents, *(child for parent in parents for child in parent.children(recursive=True))]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _report_memory(workers: list[subprocess.Popen]) -> None:
    resident = unique = count = 0
    for worker in workers:
        parent = psutil.Process(worker.pid)
        for process in (parent, *parent.children(recursive=True)):
            found = process.memory_full_info()
            resident, unique, count = resident + found.rss, unique + found.uss, count + 1
    print(f"memory of {count} worker processes        {resident / 1e6:8.0f} MB resident, {unique / 1e6:.0f} MB unique")


if __name__ == "__main__":
    sys.exit(main())
