"""The campaign's site on many machines: with PostgreSQL, Redis and S3, to which each part has wires of its own."""

import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import redis

from auravideo.server import redis_server
from generation.domain.stages import QUEUES
from generation.domain.states import Stage
from tests import postgres
from tests.chaos.world import QUICK, World
from tests.rigs import s3_server
from tests.rigs.faulty_wire import FaultyWire
from tests.rigs.relay import Relay
from tests.rigs.skewed_clock import library, skewed
from tests.site import Site

SITE = "site"  # the pages and the scheduler
SECRET = "the same on every machine of the campaign" * 2
# A silent store is given up after seconds: all attempts count to what a transfer may take until it counts as hung.
IMPATIENT = {"S3_ATTEMPTS": "1", "S3_CONNECT_TIMEOUT": "2", "S3_READ_TIMEOUT": "5"}


@dataclass
class Wires:
    """The wires from one part of the site to its services."""

    database: Relay
    broker: Relay
    storage: FaultyWire

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": f"postgresql://auravideo@127.0.0.1:{self.database.port}/postgres",
            "REDIS_URL": f"redis://127.0.0.1:{self.broker.port}",
            "S3_ENDPOINT_URL": self.storage.endpoint,
        }

    def close(self) -> None:
        self.database.close()
        self.broker.close()
        self.storage.stop()


class ManyMachines(World):
    """The world with services."""

    has = frozenset({"wires", "postgresql"}) | ({"clocks"} if library() else frozenset())

    def __enter__(self) -> "ManyMachines":
        self._stack = ExitStack()
        self.home.mkdir(parents=True)
        self._socket = self.folder / "redis.sock"
        server = redis_server.start(self._socket)
        self._stack.callback(lambda: (server.kill(), server.wait()))
        # A crash must lose nothing that was committed; what the kernel holds survives it, so nothing is synced.
        self.database = self._stack.enter_context(postgres.running("-c", "synchronous_commit=on"))
        self._stack.callback(self._stop_database)
        self.store = self._stack.enter_context(s3_server.running(self.folder / "s3"))
        self.bucket = self.store.make_bucket()
        socket = next(Path(self.database.rpartition("host=")[2]).glob(".s.PGSQL.*[0-9]"))
        self.wires = {
            part: Wires(Relay(socket), Relay(self._socket), FaultyWire(self.store.port).start())
            for part in (SITE, *QUEUES)
        }
        for wires in self.wires.values():
            self._stack.callback(wires.close)
        common = {**QUICK, **self.store.environment(self.bucket), **IMPATIENT, "SECRET_KEY": SECRET}
        self.site = Site(self.home, queues="", **{**common, **self.wires[SITE].environment()})
        self.site.start()
        self._stack.callback(self.site.stop)
        self.start_workers(lambda queue: self.wires[queue].environment())
        self._stack.callback(self.stop_workers)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    # --- To look ------------------------------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[tuple]:
        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self.database) as connection:
                    return connection.execute(query.replace("?", "%s"), values).fetchall()
            except psycopg.OperationalError:  # it is being restarted
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def key(self, job: str) -> UUID:
        return UUID(job)

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5)

    # --- Frames -------------------------------------------------------------------------------------------------------

    def chunks(self, job: str, stage: Stage) -> list[str]:
        found = self.store.client().list_objects_v2(Bucket=self.bucket, Prefix=f"jobs/{job}/{stage}/")
        return sorted(one["Key"] for one in found.get("Contents", []) if one["Key"].endswith(".safetensors"))

    def read(self, key: str) -> bytes:
        return self.store.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        self.store.client().put_object(Bucket=self.bucket, Key=key, Body=content)

    def remove(self, key: str) -> None:
        self.store.client().delete_object(Bucket=self.bucket, Key=key)

    # --- To break -----------------------------------------------------------------------------------------------------

    def crash_database(self) -> None:
        """End every process of PostgreSQL at once, and start it again: it recovers from its log."""
        self._postgres("restart", "-m", "immediate", "-w")

    def _stop_database(self) -> None:
        self._postgres("stop", "-m", "fast", "-w", check=False)

    def _postgres(self, *arguments: str, check: bool = True) -> None:
        folder = Path(self.database.rpartition("host=")[2])
        owner = postgres._owner()
        run_as = {"user": owner} if owner else {}
        with (folder / "log").open("ab") as log:
            subprocess.run(
                [postgres._binary("pg_ctl"), "-D", folder / "data", *arguments],
                check=check, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **run_as,
            )  # fmt: skip

    def wires_of(self, part: str) -> Wires:
        return self.wires[part]

    @staticmethod
    def skew(seconds: int) -> Mapping[str, str]:
        """Return what sets a worker's clock wrong."""
        return skewed(seconds)
