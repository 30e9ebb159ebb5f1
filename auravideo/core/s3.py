"""The S3 storage backend: django-storages', with bounded waiting, one client per process and streamed reading.

django-storages makes a session and a client per thread, which takes 100 ms of processor time; Django serves every
request on a thread of its own. botocore's clients are thread-safe, so here all threads of a process share one.
"""

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError
from django.core.files.base import File
from s3transfer.exceptions import RetriesExceededError
from storages.backends.s3 import S3Storage as _S3Storage

from auravideo.core.liveness import progress
from auravideo.core.storage import StorageUnavailable

# Everything that boto3, botocore and s3transfer raise has one of these bases.
ERRORS = (BotoCoreError, ClientError, Boto3Error, RetriesExceededError)
MISSING = {"404", "NoSuchKey", "NotFound"}
PIECE = 2**20  # bytes
DELETED_AT_ONCE = 1000  # the limit of DeleteObjects
# Parts of 8 MiB allow objects of 80 GB. At most ten parts are held in memory.
TRANSFER = TransferConfig(multipart_threshold=16 * 2**20, multipart_chunksize=8 * 2**20, max_concurrency=4)
_lock = threading.Lock()


class S3Storage(_S3Storage):
    """Options besides those of django-storages:

    connect_timeout, read_timeout: seconds without progress until an attempt counts as failed.
    attempts: how often a request is sent in all. The pauses in between double from a random part of 1 s to 20 s.
    checksums: `when_supported` adds a CRC32 to everything stored and checks it on reading; `when_required` does not.

    Every method raises StorageUnavailable if the store cannot be reached, refuses the request or breaks off.
    """

    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.transfer_config = TRANSFER
        self.client_config = self.client_config.merge(
            Config(
                connect_timeout=self.connect_timeout,
                read_timeout=self.read_timeout,
                retries={"mode": "standard", "total_max_attempts": self.attempts},
                request_checksum_calculation=self.checksums,
                response_checksum_validation=self.checksums,
                max_pool_connections=16,
                tcp_keepalive=True,
            )
        )
        self._shared: tuple[int, Any] | None = None

    def get_default_settings(self) -> dict[str, Any]:
        own = {"connect_timeout": 5, "read_timeout": 30, "attempts": 4, "checksums": "when_supported"}
        return {**super().get_default_settings(), **own}

    @property
    def connection(self) -> Any:
        """Return this process's S3 resource; a forked child makes its own, because sockets cannot be shared."""
        with _lock:
            if self._shared is None or self._shared[0] != os.getpid():
                self._bucket = None
                options = {"use_ssl": self.use_ssl, "verify": self.verify, "config": self.client_config}
                resource = self._create_session().resource(
                    "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, **options
                )
                self._shared = os.getpid(), resource
            return self._shared[1]

    @property
    def bucket(self) -> Any:
        connection = self.connection  # first, because it forgets the bucket of a parent process
        if self._bucket is None:
            self._bucket = connection.Bucket(self.bucket_name)
        return self._bucket

    @property
    def client(self) -> Any:
        return self.connection.meta.client

    def delete_folder(self, folder: str) -> None:
        """Delete everything below `folder`, a thousand objects per request."""
        with self._talking("delete", folder):
            for keys in self._pages(folder):
                self._delete_keys([{"Key": key} for key in keys])

    def _pages(self, folder: str) -> Iterator[list[str]]:
        """Yield the keys below `folder`, a thousand at a time."""
        prefix = self._normalize_name(folder).rstrip("/")
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket_name,
            Prefix=f"{prefix}/" if prefix else "",
            PaginationConfig={"PageSize": DELETED_AT_ONCE},
        )
        for page in pages:
            if keys := [found["Key"] for found in page.get("Contents", ())]:
                yield keys

    def _delete_keys(self, keys: list[dict[str, str]]) -> None:
        answer = self.client.delete_objects(Bucket=self.bucket_name, Delete={"Objects": keys, "Quiet": True})
        for error in answer.get("Errors", ()):
            if error.get("Code") not in MISSING:
                text = f"{error.get('Code')}: {error.get('Message')}"
                raise StorageUnavailable(f"{self.describe()} did not delete {error.get('Key')}: {text}")

    def describe(self) -> str:
        """Return how logs and error messages name this store."""
        return f"The S3 store at {self.endpoint_url or 'amazonaws.com'}, bucket {self.bucket_name},"

    @contextmanager
    def _talking(self, verb: str, name: str) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            raise StorageUnavailable(f"{self.describe()} did not {verb} {name}: {error}") from error

    def _create_session(self) -> Any:
        return _session(os.getpid(), self.access_key, self.secret_key, self.security_token)

    def _open(self, name: str, mode: str = "rb") -> File:
        if mode != "rb":
            with self._talking("open", name):
                return super()._open(name, mode)
        with self._talking("read", name):
            return _StoredFile(_Download(self, self._normalize_name(name)), name)

    def _save(self, name: str, content: Any) -> str:
        with self._talking("store", name):
            return super()._save(name, _Watched(content, name))

    def delete(self, name: str) -> None:
        with self._talking("delete", name):
            super().delete(name)

    def exists(self, name: str) -> bool:
        with self._talking("look up", name):
            return super().exists(name)

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """Return the folders and files directly below `name`.

        Asks for all keys: SeaweedFS also lists folders whose objects were deleted, until it cleans up.
        """
        start = len(self._normalize_name(name).rstrip("/"))
        with self._talking("list", name):
            below = [key[start:].lstrip("/") for keys in self._pages(name) for key in keys]
        folders = dict.fromkeys(key.partition("/")[0] for key in below if "/" in key)
        return list(folders), [key for key in below if key and "/" not in key]

    def size(self, name: str) -> int:
        with self._talking("look up", name):
            return super().size(name)


class _Watched(File):
    """A file to be stored, which notes that the process advances while it is sent."""

    def read(self, size: int = -1) -> bytes:
        progress.advance()
        return self.file.read(size) if self.file else b""


_sessions: dict[tuple, Any] = {}


def _session(*key: Any) -> Any:
    """Return the session of a process and its credentials. Called with `_lock` held."""
    if key not in _sessions:
        _pid, access_key, secret_key, token = key
        _sessions[key] = boto3.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, aws_session_token=token
        )
    return _sessions[key]


class _StoredFile(File):
    """An object opened for reading."""

    def __init__(self, download: "_Download", name: str) -> None:
        super().__init__(io.BufferedReader(download, 256 * 1024), name)
        self.size = download.size


class _Download(io.RawIOBase):
    """An object, read in order over one connection; if that breaks, the rest is requested again.

    Raises FileNotFoundError at once if there is no such object. Later requests name its ETag, so content of an object
    that was replaced in the meantime is never mixed.
    """

    def __init__(self, storage: S3Storage, key: str) -> None:
        self._storage, self._key = storage, key
        self._position, self._etag = 0, ""
        self._body: Any = None
        self.size = 0
        self._request(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if position < 0:
            raise ValueError(f"There is nothing before the start of {self._key}.")
        if position != self._position:
            self._drop()
            self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        data = self._persist(lambda body: self._block(body, len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def _block(self, body: Any, most: int) -> bytes:
        progress.advance()
        data = body.read(min(most, self.size - self._position))
        if self._position + len(data) == self.size:
            body.read(1)  # botocore verifies the checksum when it meets the end
        return data

    def readall(self) -> bytes:
        return self._persist(lambda body: b"".join(iter(partial(self._piece, body), b"")))

    def _piece(self, body: Any) -> bytes:
        progress.advance()
        return body.read(PIECE)

    def close(self) -> None:
        self._drop()
        super().close()

    def _persist(self, read: Callable[[Any], bytes]) -> bytes:
        """Read from the current position, requesting the rest again if the connection breaks."""
        if self._position >= self.size:
            return b""
        with self._storage._talking("read", self._key):
            for attempt in range(1, self._storage.attempts + 1):
                if self._body is None:
                    self._request(self._position)
                try:
                    data = read(self._body)
                    break
                except BotoCoreError as error:
                    self._drop()
                    # The checksum covers the whole object, so what was already handed out may be wrong.
                    is_lost = isinstance(error, FlexibleChecksumError) and self._position > 0
                    if is_lost or attempt == self._storage.attempts:
                        raise
        self._position += len(data)
        return data

    def _request(self, start: int) -> None:
        options = {"IfMatch": self._etag} if self._etag else {}
        if start:  # without a range, botocore verifies the checksum
            options["Range"] = f"bytes={start}-"
        try:
            found = self._storage.client.get_object(Bucket=self._storage.bucket_name, Key=self._key, **options)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                raise FileNotFoundError(f"{self._key} is not in {self._storage.bucket_name}") from error
            raise
        self._body = found["Body"]
        if not self._etag:
            self._etag, self.size = found["ETag"], found["ContentLength"]

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
