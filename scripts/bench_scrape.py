"""Cost of a scrape of /metrics by the size of the site: `make bench-scrape`, run by hand; about two minutes.

On SQLite and on PostgreSQL (its own server, tests/postgres.py). A site has finished and active jobs, messages in its
queues, living processes, and counters of every page. The page is requested through the full Django stack.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from tests import postgres

# Jobs in all, active ones, messages, processes.
SIZES = {"small": (100, 10, 10, 6), "large": (1_000_000, 10_000, 10_000, 1_000)}
REPEATS = 20
TOKEN = "a-token-for-the-measurement"  # noqa: S105  of a site that exists for a minute


def build(size: str) -> None:
    """Fill this process's database and Redis."""
    import dataclasses

    from django.core.management import call_command

    from accounts.models import User
    from auravideo.core.metrics import declared, presence, totals
    from generation.queue import broker
    from tests.rigs import many_jobs

    jobs, active, messages, processes = SIZES[size]
    call_command("migrate", verbosity=0)
    many_jobs.make(User.objects.create(username="ada"), jobs, active)
    pipe = broker.connection().pipeline(transaction=False)
    for _ in range(messages):
        pipe.lpush("generate", '{"headers": {"auravideo_sent_at": 1}}')
    pipe.execute()
    here = presence.this_process(presence.WORKER, lambda: 0)
    for pid in range(processes):
        presence.announce(dataclasses.replace(here, pid=pid))
    for view in range(100):
        for status in ("200", "302", "404"):
            declared.HTTP_REQUESTS.labels(method="GET", view=f"view{view}", status=status).inc()
        declared.HTTP_SECONDS.labels(view=f"view{view}").observe(0.1)
    totals.ship()


def measure() -> None:
    """Print the median and the longest time of a scrape, in milliseconds, and its size."""
    from django.test import Client

    client, times = Client(), []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        times.append(1000 * (time.perf_counter() - begin))
    assert b'auravideo_jobs{state="queued"}' in response.content  # noqa: S101  stops the measurement
    size = len(response.content) // 1024
    print(f"{statistics.median(times):.0f} ms, at most {max(times):.0f} ms, {size} KiB", flush=True)


def run(size: str) -> None:
    """Build and measure one site; in a process of its own, whose environment names the database."""
    import django

    django.setup()
    from django.conf import settings

    from auravideo.server import redis_server

    process = redis_server.start(settings.REDIS_SOCKET)
    try:
        build(size)
        measure()
    finally:
        if process is not None:
            process.terminate()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, help="measure one site, on the database in the environment")
    if size := parser.parse_args().size:
        run(size)
        return
    with postgres.running() as url, tempfile.TemporaryDirectory() as folder:
        for name, database in (("SQLite", ""), ("PostgreSQL", url)):
            for size in SIZES:
                home = Path(folder) / f"{name}-{size}"
                address = database.replace("/postgres?", f"/{size}?") if database else ""
                if database:
                    psycopg.connect(database, autocommit=True).execute(f"CREATE DATABASE {size}")
                settings = {"AURAVIDEO_HOME": str(home), "METRICS_TOKEN": TOKEN, "DATABASE_URL": address}
                environment = {**os.environ, **settings, "DJANGO_SETTINGS_MODULE": "auravideo.settings"}
                print(f"{name}, {size} {SIZES[size]}: ", end="", flush=True)
                command = [sys.executable, "-m", "scripts.bench_scrape", "--size", size]
                subprocess.run(command, env=environment, check=True)  # noqa: S603  our own command


if __name__ == "__main__":
    main()
