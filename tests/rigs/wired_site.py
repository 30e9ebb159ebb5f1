"""A rig: a site whose database, broker and storage are real and reached over wires that can be cut, and a watched crew.

What it cannot show: the servers themselves forget nothing, since only the wires to them are cut.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

import psycopg

from auravideo.server import redis_server
from tests import postgres
from tests.rigs.crew import Crew
from tests.rigs.faulty_wire import FaultyWire
from tests.rigs.relay import Relay
from tests.rigs.s3_server import S3Server
from tests.site import Site

QUEUES = ("cpu", "generate", "interpolate", "upscale")
CLIP = {"seconds": 1, "fps": 16, "size": "256x256"}
RESUMED_SECONDS = 60


class Watched:
    """A crew with a light worker for each queue of a site, and what its clips have been through."""

    def __init__(self, crew: Crew, **variables: str) -> None:
        self.crew, self.site = crew, crew.site
        for queue in QUEUES:
            crew.start(queue, queue, wait=False, LIGHT_SECONDS="2", **variables)
        crew.until(lambda: len(crew.members()) == len(QUEUES), "a worker did not join")

    def until_one_runs(self, stage: str) -> None:
        running = "SELECT count(*) FROM generation_stagerun WHERE stage = ? AND status = 'running'"
        self.crew.until(lambda: self.site.rows(running, stage)[0][0], f"nobody runs {stage}")

    def warnings(self) -> set[str]:
        return {str(row[0]) for row in self.site.rows("SELECT warnings FROM generation_job WHERE status <> 'done'")}

    def assert_all_end_well(self, jobs: list[str], within: float = RESUMED_SECONDS) -> None:
        """Expect all jobs to be done soon, with one video each, no attempt used up and nothing left of warnings."""
        start = time.monotonic()
        self.crew.until_done(*jobs)
        assert time.monotonic() - start < within
        for job in jobs:
            runs = "SELECT stage, error FROM generation_stagerun WHERE job_id = ? AND status IN ('lost', 'failed')"
            assert self.site.rows(runs, UUID(job).hex) == []
            ((warnings,),) = self.site.rows("SELECT warnings FROM generation_job WHERE id = ?", UUID(job).hex)
            assert not any(reason in str(warnings) for reason in ("storage", "disk", "service"))
            videos = "SELECT count(*) FROM gallery_video WHERE job_id = ?"
            assert self.site.rows(videos, UUID(job).hex) == [(1,)]


class SiteOfServices(Site):
    """A site on services; its rows are read past the wires."""

    def __init__(self, home: Path, database: str, **environment: str) -> None:
        self.database = database
        super().__init__(home, queues="", **environment)

    def rows(self, query: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.replace("?", "%s"), values).fetchall()


class Wires:
    """The wires, by name of the service. `url` is the database's, past its wire."""

    def __init__(self, url: str, database: Relay, broker: Relay, storage: FaultyWire) -> None:
        self.url = url
        self.database, self.broker, self.storage = database, broker, storage

    def out(self, what: str):
        """Return the outage to enter."""
        if what == "storage-503":
            return self.storage.broken("unavailable")
        return {"database": self.database.cut, "broker": self.broker.cut, "storage": self.storage.refusing}[what]()

    def environment(self, s3: S3Server) -> dict[str, str]:
        """Return the settings of a site on these wires, with a bucket of its own."""
        return {
            **s3.environment(s3.make_bucket()),
            "S3_ENDPOINT_URL": self.storage.endpoint,
            "DATABASE_URL": f"postgresql://auravideo@127.0.0.1:{self.database.port}/postgres",
            "REDIS_URL": f"redis://127.0.0.1:{self.broker.port}",
        }


@contextmanager
def wired(folder: Path, s3: S3Server) -> Iterator[Wires]:
    """Yield the wires to a PostgreSQL and a Redis server, which end with the block, and to an S3 server."""
    with ExitStack() as stack:
        server = redis_server.start(folder / "redis.sock")
        stack.callback(lambda: (server.kill(), server.wait()))
        url = stack.enter_context(postgres.running())
        socket = next(Path(url.rpartition("host=")[2]).glob(".s.PGSQL.*[0-9]"))
        storage = FaultyWire(s3.port).start()
        stack.callback(storage.stop)
        yield Wires(url, Relay(socket), Relay(folder / "redis.sock"), storage)
