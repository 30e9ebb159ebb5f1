"""Downloads of catalogue models from a Hugging Face hub (HF_ENDPOINT sets a mirror, HF_TOKEN the access token).

The hub's own library queries the hub, but the files are streamed here over plain HTTP, because the library discards a
partial file when interrupted (huggingface_hub 2.4, pull request 4228). A partial file is named after the hash of its
final content, so the next call resumes it, whichever model needs the file.
"""

import errno
import fcntl
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from generation.catalogue import lockfile
from generation.catalogue.entries import Entry, Source, is_inside, matches
from generation.domain.errors import RenderError

_RETRIES = 5  # consecutive failures without progress
_PAUSE_SECONDS = 0.5  # before the first retry; doubles
_SPARE_BYTES = 200_000_000  # kept free on the disk for the database and running jobs
_SHA256_DIGITS = 64
_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")  # SHA-256, git
_COMMIT = re.compile(r"[0-9a-f]{40}")


class FetchError(Exception):
    """A failed download, explained in one line for the operator, with the remedy."""


class Progress(Protocol):
    """A receiver of download progress, in bytes."""

    def file(self, name: str, size: int, done: int) -> None:
        """Start a file, of which `done` bytes have already been downloaded."""

    def advance(self, count: int) -> None:
        """Add `count` bytes to the progress of the file; negative if the server forced a restart."""

    def file_done(self, name: str) -> None:
        """Finish a file that is complete and verified."""


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch: its path in the model's folder, its location on the hub, its size and its hash.

    `etag` comes from the hub: the SHA-256 of a large (LFS) file, the git blob ID of a small one.
    """

    local: str
    name: str
    repo: str
    commit: str
    size: int
    etag: str


@dataclass(frozen=True)
class DownloadPlan:
    """The files to fetch for one entry. `sources` are the repositories and commits to record in the lock file."""

    entry: Entry
    sources: Sequence[Mapping[str, str]]
    files: Sequence[RemoteFile]
    kept: set[str] = field(default_factory=set)

    @property
    def wanted(self) -> list[RemoteFile]:
        """Return the files still to be fetched."""
        return [file for file in self.files if file.local not in self.kept]


@contextmanager
def only_one(home: Path | str) -> Iterator[None]:
    """Lock the models folder, since concurrent downloads would write to the same partial files.

    Raises:
        FetchError: another `fetch_models` holds the lock, or the folder is not writable.
    """
    path = lockfile.lock_path(home).with_name(".fetching")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise FetchError(f"Another fetch_models is at work in {path.parent}. Wait until it is done.") from error
    except PermissionError as error:
        raise FetchError(f"{path.parent} cannot be written. Run this as the user that owns it.") from error


def is_ready(entry: Entry, home: Path | str) -> bool:
    """Return whether `entry` is present, locked, intact, and from the commit pinned by the catalogue."""
    if entry.builtin:
        return not entry.missing_files(home)
    locked = lockfile.read_lock(home).get(entry.id)
    if locked is None:
        return False
    commits = {source["repo"]: source["commit"] for source in locked.get("sources", ())}
    if any(source.revision not in (None, commits.get(source.repo)) for source in entry.sources()):
        return False
    try:
        lockfile.verify(entry, home)
    except RenderError:
        return False
    return True


def plan_download(entry: Entry, home: Path | str, revision: str | None = None) -> DownloadPlan:
    """Query the hub for the files of `entry` and find out which are already present.

    Without a `revision`, use the catalogue's commit, or else the lock file's, or else the newest.

    Raises:
        FetchError: the hub, the repository, the revision or one of its files is unavailable, or a file would be
            written outside the model's folder.
    """
    locked = lockfile.read_lock(home).get(entry.id, {})
    commits = {source["repo"]: source["commit"] for source in locked.get("sources", ())}
    sources, files = [], []
    for source in entry.sources():
        asked = (revision if source.repo == entry.repo else None) or source.revision or commits.get(source.repo)
        commit, found = _resolve(source, asked)
        sources.append({"repo": source.repo, "commit": commit})
        files.extend(found)
    folder = entry.path(home)
    for file in files:
        _require_inside(folder, file)
    plan = DownloadPlan(entry, sources, files)
    plan.kept.update(file.local for file in files if _is(folder / file.local, file))
    return plan


def is_unknown(entry: Entry, home: Path | str) -> bool:
    """Return whether neither the catalogue nor the lock file says what the files of `entry` are.

    Whatever the hub serves would have to be trusted, this first time.
    """
    locked = lockfile.read_lock(home).get(entry.id, {})
    return bool(entry.sources()) and not entry.is_pinned and not locked.get("sources")


def check_space(plans: Sequence[DownloadPlan], home: Path | str) -> int:
    """Return the total size of the files to fetch, in bytes. Raises FetchError if the disk lacks the space."""
    wanted = [file for plan in plans for file in plan.wanted]
    missing = sum(max(0, file.size - _size(_partial(home, file))) for file in wanted)
    folder = Path(home)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if missing and missing + _SPARE_BYTES > free:
        raise FetchError(
            f"Not enough room: {_gigabytes(missing)} are to be fetched and {_gigabytes(free)} are free at {folder}. "
            "Free some space there, or set AURAVIDEO_HOME to a folder on a larger disk."
        )
    return sum(file.size for file in wanted)


def fetch(plan: DownloadPlan, home: Path | str, progress: Progress) -> None:
    """Fetch the missing files of a plan, verify each one, and write the entry to the lock file.

    Raises:
        FetchError: a download failed after all retries, or a file failed verification. Call again to resume.
    """
    folder = plan.entry.path(home)
    for file in plan.wanted:
        with _explained(file.repo, file.name):
            partial = _partial(home, file)
            partial.parent.mkdir(parents=True, exist_ok=True)
            progress.file(f"{plan.entry.id}/{file.local}", file.size, _size(partial))
            _download(file, partial, progress.advance)
            if not _is(partial, file):
                partial.unlink(missing_ok=True)
                raise FetchError(f"{file.repo}: {file.name} came damaged and was thrown away. Run the command again.")
            (folder / file.local).parent.mkdir(parents=True, exist_ok=True)
            partial.replace(folder / file.local)
            progress.file_done(f"{plan.entry.id}/{file.local}")
    with _explained(plan.entry.repo or plan.entry.id, "the lock file"):
        lock(plan.entry, home, [file.local for file in plan.files], plan.sources)


def lock(entry: Entry, home: Path | str, names: Sequence[str], sources: Sequence[Mapping[str, str]]) -> None:
    """Hash the files `names` of `entry` and write them to the lock file.

    Raises:
        FetchError: a file does not match its SHA-256 in the catalogue; the file is deleted.
    """
    folder, files = entry.path(home), {}
    known = {**_locked_hashes(entry, home, sources), **entry.sha256}
    for name in sorted(names):
        digest = lockfile.file_sha256(folder / name)
        if known.get(name, digest) != digest:
            (folder / name).unlink()
            whose = "the catalogue expects" if name in entry.sha256 else "was fetched from this commit before"
            raise FetchError(
                f"{entry.id}: {name} is not the file that {whose} (SHA-256 {digest}, not {known[name]}). It was "
                "thrown away; do not use this repository or mirror before you know why (docs/models.md, Pinned)."
            )
        files[name] = {"size": (folder / name).stat().st_size, "sha256": digest}
    lockfile.write_lock(home, entry.id, {"sources": [dict(source) for source in sources], "files": files})
    lockfile.remember(entry, home, files)


def _locked_hashes(entry: Entry, home: Path | str, sources: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the SHA-256 of each file as first fetched; empty if it was from other commits. A commit never changes."""
    locked = lockfile.read_lock(home).get(entry.id, {})
    if not sources or locked.get("sources") != [dict(source) for source in sources]:
        return {}
    return {name: file["sha256"] for name, file in locked["files"].items()}


def adopt(entry: Entry, home: Path | str) -> None:
    """Lock the files of `entry` as they are, for models copied by hand. No network access.

    Raises:
        FetchError: a file is missing; the message names it.
    """
    missing = entry.missing_files(home)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        remedy = f"With a network, run: {entry.command}" if entry.sources() else "It names no repo, so copy them there."
        raise FetchError(f"{entry.id} is not here ({missing[0]}{more} missing in {entry.path(home)}). {remedy}")
    folder = entry.path(home)
    found = [path.relative_to(folder).as_posix() for pattern in entry.local_files() for path in folder.glob(pattern)]
    lock(entry, home, found, [])


def _resolve(source: Source, revision: str | None) -> tuple[str, list[RemoteFile]]:
    from huggingface_hub import HfApi, constants

    with _explained(source.repo, revision or "the newest revision"):
        info = HfApi(endpoint=constants.ENDPOINT).model_info(
            source.repo, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
    commit = str(info.sha)
    if not _COMMIT.fullmatch(commit) or (_COMMIT.fullmatch(revision or "") and commit != revision):
        raise FetchError(
            f"{constants.ENDPOINT} answers with commit {commit[:60]!r} of {source.repo}, not with {revision or 'one'}. "
            "If HF_ENDPOINT names a mirror, try another."
        )
    listed = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    files = []
    for local, pattern in source.files.items():
        names = [name for name in listed if matches(name, pattern)]
        if not names:
            raise FetchError(
                f"{source.repo} has no {pattern} at {info.sha}. Correct 'files' or 'revision' of the catalogue's entry."
            )
        for name in names:
            sibling = listed[name]
            etag = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
            if not isinstance(sibling.size, int) or sibling.size < 0 or not _HASH.fullmatch(str(etag)):
                raise FetchError(
                    f"{constants.ENDPOINT} says nothing of the size or hash of {name} in {source.repo}, so it cannot "
                    "be checked. If HF_ENDPOINT names a mirror, try another."
                )
            place = name if "*" in pattern else local
            files.append(RemoteFile(place, name, source.repo, commit, sibling.size, str(etag)))
    return commit, files


def _require_inside(folder: Path, file: RemoteFile) -> None:
    """Raise FetchError if writing `file` would leave `folder`, by its name or through a link on the way."""
    parent = (folder / file.local).parent
    if not is_inside(file.local) or not parent.resolve().is_relative_to(folder.resolve()):
        raise FetchError(f"{file.repo}: {file.local!r} would be written outside {folder}. Remove what leads out of it.")


def _download(file: RemoteFile, partial: Path, advance: Callable[[int], None]) -> None:
    """Append the rest of `file` to `partial`, retrying interrupted transfers as long as they make progress."""
    import httpx2  # the HTTP client of huggingface_hub

    failures = 0
    while (before := _size(partial)) < file.size:
        try:
            _stream(file, partial, before, advance)
        except (httpx2.NetworkError, httpx2.TimeoutException, httpx2.RemoteProtocolError):
            failures = failures + 1 if _size(partial) == before else 1
            if failures >= _RETRIES:
                raise
            time.sleep(min(8.0, _PAUSE_SECONDS * 2 ** (failures - 1)))
    if _size(partial) > file.size:
        partial.unlink()
        raise FetchError(f"{file.repo}: {file.name} is longer than the hub says. Run the command again.")


def _stream(file: RemoteFile, partial: Path, done: int, advance: Callable[[int], None]) -> None:
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_stream_backoff

    url = hf_hub_url(file.repo, file.name, revision=file.commit, endpoint=constants.ENDPOINT)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # byte ranges would refer to the compressed body
    if done:
        headers["Range"] = f"bytes={done}-"
    options: dict[str, Any] = {"timeout": constants.HF_HUB_DOWNLOAD_TIMEOUT, "retry_on_exceptions": ()}
    with http_stream_backoff("GET", url, headers=headers, **options) as response:
        hf_raise_for_status(response)
        resumed = done and response.status_code == 206
        if done and not resumed:
            advance(-done)
        with partial.open("ab" if resumed else "wb", buffering=0) as target:
            for block in response.iter_bytes():
                target.write(block)
                advance(len(block))


@contextmanager
def _explained(repo: str, what: str) -> Iterator[None]:
    """Convert errors from the hub's library, the network and the disk to a FetchError that gives the remedy."""
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    again = "What was fetched is kept; run the command again to continue."
    try:
        yield
    except errors.GatedRepoError as error:
        raise FetchError(
            f"{repo} is gated: accept its conditions at {hub}/{repo}, make a token at {hub}/settings/tokens and set "
            "HF_TOKEN to it."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(
            f"{hub} has no repository {repo}, or it is private: then set HF_TOKEN to a token that may read it."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FetchError(f"{repo} has no revision {what}. Leave --revision out, or correct the catalogue.") from error
    except errors.EntryNotFoundError as error:
        raise FetchError(f"{repo} has no file {what}. Correct 'files' of the catalogue's entry.") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        hint = "Check HF_TOKEN." if status in (401, 403) else again
        raise FetchError(f"{hub} answered {status} for {what} of {repo}. {hint}") from error
    except errors.OfflineModeIsEnabled as error:
        raise FetchError("HF_HUB_OFFLINE is set, so nothing can be fetched. Unset it, or use --offline.") from error
    except (httpx2.TransportError, httpx2.InvalidURL, httpx2.TooManyRedirects) as error:
        raise FetchError(
            f"{hub} cannot be reached for {what} of {repo} ({str(error) or type(error).__name__}). Check the network, "
            f"or set HF_ENDPOINT to a mirror. {again}"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FetchError(f"The disk is full. Free some space at {error.filename or 'it'}. {again}") from error
        raise FetchError(f"{what} cannot be written: {error}") from error


def _is(path: Path, file: RemoteFile) -> bool:
    """Return whether the content of `path` matches the size and hash given by the hub."""
    if _size(path) != file.size or not path.is_file():
        return False
    if len(file.etag) == _SHA256_DIGITS:
        return lockfile.file_sha256(path) == file.etag
    blob = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)  # the git blob ID of the content
    blob.update(path.read_bytes())
    return blob.hexdigest() == file.etag


def _partial(home: Path | str, file: RemoteFile) -> Path:
    return Path(home) / "models" / ".partial" / f"{file.etag}.part"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
