"""A local Hugging Face hub in a thread: enough of the protocol for huggingface_hub to download from it.

Small files are served by the hub itself, large ones ("LFS") by a second server that the hub redirects to, like the real
one. Every request is recorded; faults (a cut connection, a gate, a missing repository) can be switched on.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

BLOCK = 16 * 1024


def commit_of(text: str) -> str:
    """Return a commit hash derived from `text`."""
    return hashlib.sha1(text.encode()).hexdigest()


@dataclass
class Repo:
    """A repository with one commit on branch main; `lfs` names the files stored as large ones."""

    files: dict[str, bytes]
    lfs: set[str]
    commit: str
    gated: int = 0  # the status returned for its files; 0 means open
    served: dict[str, bytes] = field(default_factory=dict)  # bytes sent instead of the real ones
    claims: str = ""  # the commit it says it has, if another than the real one
    hash: str | None = None  # what it says is the hash of every large file, if another than the real one

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name in self.lfs:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def tree(self) -> list[dict[str, Any]]:
        """Return the files as the recursive tree listing has them."""
        files = []
        for sibling in self.listing():
            file = {"type": "file", "path": sibling["rfilename"], "size": sibling["size"], "oid": sibling["blobId"]}
            if lfs := sibling.get("lfs"):
                file["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
            files.append(file)
        return files

    def listing(self) -> list[dict[str, Any]]:
        """Return the files as the API lists them."""
        siblings = []
        for name, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            sibling: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
            if name in self.lfs:
                claimed = self.etag(name) if self.hash is None else self.hash
                sibling["lfs"] = {"sha256": claimed, "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        return siblings


@dataclass
class Request:
    """One received request, and the number of body bytes sent for it."""

    server: str  # "hub" or "storage"
    method: str
    path: str
    range: str | None
    token: str | None
    sent: int = 0


class HubServer:
    """A context manager; `url` is the value for HF_ENDPOINT."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.cuts: dict[str, list[int]] = {}  # file name: byte counts after which its next requests are cut off
        self.stalls: dict[str, int] = {}  # file name: byte count after which it stalls
        self.ignores_ranges = False
        self._stop = threading.Event()
        self._servers: list[ThreadingHTTPServer] = []
        self.url = self._start("hub", self._hub)
        self.storage_url = self._start("storage", self._storage)

    def __enter__(self) -> "HubServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, name: str, files: dict[str, bytes], commit: str = "", **options: Any) -> Repo:
        """Add a repository; files of more than 1000 bytes are large ones."""
        lfs = {path for path, content in files.items() if len(content) > 1000}
        self.repos[name] = Repo(dict(files), lfs, commit or commit_of(name), **options)
        return self.repos[name]

    def downloads(self, name: str) -> list[Request]:
        """Return the GET requests for the content of file `name`; redirected ones count once."""
        return [
            request
            for request in self.requests
            if request.method == "GET" and request.path.endswith(f"/{name}") and request.sent
        ]

    def _start(self, kind: str, answer: Callable[[BaseHTTPRequestHandler, Request], None]) -> str:
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                token = self.headers.get("Authorization")
                request = Request(kind, self.command, unquote(self.path), self.headers.get("Range"), token)
                requests.append(request)
                answer(self, request)

            do_GET = do_HEAD = _any

            def log_message(self, *_args: object) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    def _hub(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        path = urlsplit(request.path).path
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/]+))?", path):
            repo = self._find(handler, found[1], found[2])
            if repo is not None:
                data = {"id": found[1], "modelId": found[1], "siblings": repo.listing()}
                data["sha"] = repo.claims or repo.commit
                _reply(handler, 200, json.dumps(data).encode(), {"Content-Type": "application/json"})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+?)/tree/([^/]+)", path):
            repo = self._find(handler, found[1], found[2])
            if repo is not None:
                _reply(handler, 200, json.dumps(repo.tree()).encode(), {"Content-Type": "application/json"})
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repo = self._find(handler, found[1], found[2])
            if repo is not None:
                self._resolve(handler, request, found[1], repo, found[3])
        else:
            _reply(handler, 404, b"")

    def _find(self, handler: BaseHTTPRequestHandler, name: str, revision: str | None) -> Repo | None:
        repo = self.repos.get(name)
        if repo is None:  # the real hub answers 401 to anonymous clients
            _reply(handler, 401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif revision not in (None, "main", repo.commit):
            _reply(handler, 404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        else:
            return repo
        return None

    def _resolve(self, handler: BaseHTTPRequestHandler, request: Request, name: str, repo: Repo, path: str) -> None:
        headers = {"X-Repo-Commit": repo.commit, "Accept-Ranges": "bytes"}
        if repo.gated:
            _reply(handler, repo.gated, b"{}", {**headers, "X-Error-Code": "GatedRepo"})
        elif path not in repo.files:
            _reply(handler, 404, b"{}", {**headers, "X-Error-Code": "EntryNotFound"})
        elif path in repo.lfs:
            linked = {"X-Linked-Etag": f'"{repo.etag(path)}"', "X-Linked-Size": str(len(repo.files[path]))}
            location = f"{self.storage_url}/{name}/{path}"
            _reply(handler, 302, b"", {**headers, **linked, "Location": location, "ETag": '"pointer"'})
        else:
            self._send(handler, request, path, repo, {**headers, "ETag": f'"{repo.etag(path)}"'})

    def _storage(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        owner, name, path = urlsplit(request.path).path.lstrip("/").split("/", 2)
        repo = self.repos[f"{owner}/{name}"]
        self._send(handler, request, path, repo, {"ETag": '"storage"', "Accept-Ranges": "bytes"})

    def _send(
        self, handler: BaseHTTPRequestHandler, request: Request, path: str, repo: Repo, headers: dict[str, str]
    ) -> None:
        """Send the file from the start of the range, unless a fault is set."""
        content = repo.served.get(path, repo.files[path])
        start = 0
        if request.range and not self.ignores_ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", request.range)[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        handler.send_response(206 if "Content-Range" in headers else 200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(key, value)
        handler.end_headers()
        if request.method == "HEAD":
            return
        cuts = self.cuts.get(path, [])
        limit = cuts.pop(0) if cuts else self.stalls.get(path, len(body))
        for at in range(0, min(limit, len(body)), BLOCK):
            block = body[at : min(at + BLOCK, limit)]
            handler.wfile.write(block)
            request.sent += len(block)
        if limit < len(body):
            handler.close_connection = True
            if path in self.stalls:
                self._stop.wait(20)


def _reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
        handler.send_header(key, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as `holds()`; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)
