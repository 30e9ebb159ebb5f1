"""Chunks of one clip, upscaled by three workers, one of them on another machine: no access to the site's disk, its own
storage credentials, PostgreSQL and Redis over the network, frames in a real S3 store."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from tests import postgres
from tests.rigs import other_machine
from tests.rigs.crew import Crew
from tests.site import Site

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.renders,
    pytest.mark.thorough,
    pytest.mark.skipif(not other_machine.is_possible(), reason="needs iproute2 and the right to make namespaces"),
]

CHUNKS = 10
UPSCALERS = {"u1@rig", "u2@rig", "far@rig"}
LOOK_AROUND = """
import os, socket, sys
here, folders, ports = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")
print([name for folder in folders for name in os.listdir(folder)])
for port in map(int, ports):
    for address in (here, "127.0.0.1"):
        try:
            socket.create_connection((address, port), timeout=3)
            print(address, port, "is open")
        except OSError:
            print("refused")
"""


class NetworkedSite(Site):
    """A site whose state is in PostgreSQL and S3."""

    def __init__(self, home: Path, database: str, **environment: str) -> None:
        super().__init__(home, queues="", DATABASE_URL=database, **environment)
        self.database = database

    def rows(self, query: str, *values: object) -> list[tuple]:
        import psycopg

        with psycopg.connect(self.database) as connection:
            return connection.execute(query.replace("?", "%s"), values).fetchall()


class Far:
    """The other machine's way to the services, and the environment of a worker there: everything over the network."""

    def __init__(self, machine, store, site: NetworkedSite, home: Path) -> None:
        self.machine, self.store, self.site = machine, store, site
        self.database_folder = Path(parse_qs(urlsplit(site.database).query)["host"][0])
        self.redis_socket = site.home / "redis" / "redis.sock"
        user = re.match(r"postgresql://(\w+)@", site.database)[1]
        postgresql = machine.open_port(self.database_folder / ".s.PGSQL.5432")
        self.environment = {
            "AURAVIDEO_HOME": str(home),
            "DATABASE_URL": f"postgresql://{user}@{machine.here}:{postgresql}/postgres",
            "REDIS_URL": f"redis://{machine.here}:{machine.open_port(self.redis_socket)}",
            "S3_ENDPOINT_URL": f"http://{machine.here}:{machine.open_port(('127.0.0.1', store.port))}",
            "SECRET_KEY": "not the site's",
            **store.worker_keys(),
        }

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return what runs a command there. Its disk has neither the site's files nor the sockets of its services."""
        return self.machine.prefix(self.site.home, self.database_folder)

    def look_around(self) -> list[str]:
        """Return what it finds in the folders of the site and its database, and at their ports."""
        folders = f"{self.site.home},{self.database_folder}"
        ports = f"{self.site.port},{self.store.port}"
        command = [*self.prefix, sys.executable, "-c", LOOK_AROUND, self.machine.here, folders, ports]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


@pytest.fixture(scope="module")
def database():
    with postgres.running() as url:
        yield url


@pytest.fixture
def site(tmp_path, database, s3_server, s3_bucket):
    started = NetworkedSite(tmp_path / "site", database, **s3_server.environment(s3_bucket)).start()
    yield started
    assert started.stop() == 0
    assert started.processes() == []


@pytest.fixture
def far(site, s3_server, tmp_path):
    with other_machine.running() as machine:
        yield Far(machine, s3_server, site, tmp_path / "far")


def test_the_other_machine_sees_nothing_of_the_site(far):
    assert list(far.site.home.iterdir()), "there would be nothing to see"
    assert far.look_around() == ["[]", *["refused"] * 4]


def test_a_worker_on_another_machine_upscales_its_share(site, far, s3_server, s3_bucket):
    def keys_of(prefix: str) -> list[str]:
        found = s3_server.client().list_objects_v2(Bucket=s3_bucket, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]

    with Crew(site) as crew:
        for name, queue in (("cpu", "cpu"), ("g1", "generate"), ("i1", "interpolate")):
            crew.start(name, queue)
        for name in ("u1", "u2"):
            crew.start(name, "upscale", LIGHT_SECONDS="1")
        crew.start("far", "upscale", prefix=far.prefix, LIGHT_SECONDS="1", **far.environment)
        job = crew.submit(seconds=10, fps=24, size="256x256")
        crew.until_done(job)
        done = [run for run in crew.runs(job) if run["status"] == "done" and run["stage"] == "upscale"]
        assert sorted(run["chunk"] for run in done) == list(range(CHUNKS))
        assert {run["worker"] for run in done} == UPSCALERS
        assert {run["run"] for run in crew.runs(job)} == {1}, "a stage had to be repeated"
        crew.until(lambda: not keys_of("jobs/"), "frames were left")  # a worker deletes them once the clip is done
    keys = keys_of("")
    *pictures, video = sorted(key for key in keys if key.startswith(f"videos/{job}/"))
    assert (Path(video).suffix, len(pictures)) == (".mp4", 3), keys
    assert list(Path(far.environment["AURAVIDEO_HOME"]).rglob("*.safetensors")) == [], (
        "frames were kept on the other machine"
    )
    assert_the_workers_keys_open_nothing_else(s3_server, s3_bucket, video)


def assert_the_workers_keys_open_nothing_else(store, bucket: str, video: str) -> None:
    keys = store.worker_keys()
    client = store.client(
        aws_access_key_id=keys["S3_ACCESS_KEY_ID"], aws_secret_access_key=keys["S3_SECRET_ACCESS_KEY"]
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_object(Bucket=bucket, Key=video)
