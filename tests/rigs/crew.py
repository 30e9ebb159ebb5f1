"""A rig: a site's database, broker and storage, and any number of light workers (light_worker.py) that come and go."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from tests.site import ROOT, Site

PATIENCE = 90  # seconds; limits a hanging test

SUBMIT = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
user, _ = User.objects.get_or_create(username={name!r}, email="{name}@example.org")
asked = {asked!r}
print(services.submit(user, parse(asked, available.catalogue(), available.limits())).pk)
"""


class Crew:
    """Light workers of one site. Use it as a context manager: it stops them all.

    Args:
        site: started with `queues=""`, so it has no workers of its own.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.workers: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self.workers.values():
            worker.terminate()
        for worker in self.workers.values():
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def start(
        self,
        name: str,
        queues: str,
        *,
        prefix: tuple[str, ...] = (),
        rig: str = "light_worker",
        wait: bool = True,
        **variables: str,
    ) -> str:
        """Start a worker and return its full name.

        `prefix` goes before its command, as in `ip netns exec NAME`. The `rig` troubled_worker has real models.
        """
        command = [
            sys.executable,
            "-m",
            f"tests.rigs.{rig}",
            "-Q",
            queues,
            "-n",
            f"{name}@rig",
            "--concurrency",
            "1",
            *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
        ]
        log = self.log(name).open("ab")
        environment = {**self.site.environment, "OMP_NUM_THREADS": "1", **variables}
        self.workers[name] = subprocess.Popen([*prefix, *command], cwd=ROOT, env=environment, stdout=log, stderr=log)
        log.close()
        if wait:
            self.until(lambda: f"{name}@rig" in self.members(), f"{name} did not join:\n{self.log(name).read_text()}")
        return f"{name}@rig"

    def stop(self, name: str, how: str = "terminate") -> None:
        """Stop a worker: `terminate` as an operator does, `kill` as a power cut does to it and its children."""
        worker = self.workers.pop(name)
        if how == "kill":
            for pid in [worker.pid, *_children(worker.pid)]:
                os.kill(pid, 9)
        else:
            worker.terminate()
        worker.wait(PATIENCE)

    def log(self, name: str) -> Path:
        return self.site.home / f"{name}.log"

    def members(self) -> dict[str, dict]:
        """Return what `manage.py workers --json` lists, by name."""
        done = self.site.manage("workers", "--json")
        assert done.returncode == 0, done.stderr
        return {member["name"]: member for member in json.loads(done.stdout)}

    def submit(self, user: str = "crew", **asked: object) -> str:
        return self.site.python(SUBMIT.format(name=user, asked={"prompt": "a red heart", **asked}))

    def status(self, job: str) -> str:
        ((status,),) = self.site.rows("SELECT status FROM generation_job WHERE id = ?", job.replace("-", ""))
        return status

    def runs(self, job: str | None = None) -> list[dict]:
        """Return every attempt at a stage, in order of start, of one job or of all; `worker` without the process."""
        rows = self.site.rows(
            "SELECT job_id, run, stage, chunk, status, worker FROM generation_stagerun ORDER BY started_at"
        )
        found = [
            {"job": str(row[0]).replace("-", ""), "run": row[1], "stage": row[2], "chunk": row[3], "status": row[4],
             "worker": row[5].rpartition(":")[0]}
            for row in rows
        ]  # fmt: skip
        return [run for run in found if job is None or run["job"] == job.replace("-", "")]

    def processes(self, stage: str, job: str) -> list[str]:
        """Return the process of every attempt at a stage of a job, in order of start: `worker:pid`."""
        query = "SELECT worker FROM generation_stagerun WHERE job_id = ? AND stage = ? ORDER BY started_at"
        return [worker for (worker,) in self.site.rows(query, job.replace("-", ""), stage)]

    def span(self, stage: str, *jobs: str) -> float:
        """Return the seconds from the first start of a stage of some jobs to the last end."""
        rows = self.site.rows("SELECT job_id, started_at, ended_at FROM generation_stagerun WHERE stage = ?", stage)
        keys = {job.replace("-", "") for job in jobs}
        times = [row[1:] for row in rows if str(row[0]).replace("-", "") in keys]
        first, last = min(start for start, _end in times), max(end for _start, end in times)
        return (datetime.fromisoformat(str(last)) - datetime.fromisoformat(str(first))).total_seconds()

    def until_done(self, *jobs: str) -> None:
        for job in jobs:
            self.until(lambda job=job: self.status(job) in ("done", "failed", "cancelled"), f"{job} never ended")
            assert self.status(job) == "done", self.site.rows("SELECT error_id, traceback FROM generation_job")

    def until(self, is_so, otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.1)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
