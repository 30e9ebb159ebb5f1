"""Output folder of `manage.py batch --output`: one file per row and `manifest.jsonl` (docs/batch.md)."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext_lazy as _

from auravideo.core.file_names import stem
from auravideo.core.files import replacing
from generation.batches.services import BatchEntry
from generation.domain.states import Status
from generation.jobs.selectors import video_of
from generation.models import Job

MANIFEST = "manifest.jsonl"
DELETED = "deleted"  # state of a row whose clip or video its owner deleted
_SLUG_LENGTH = 50  # characters; even at 4 bytes each, well under the 255-byte limit of file names


class OutputError(Exception):
    """The folder is unusable."""


class VideoUnreadable(Exception):
    """The storage failed to return the video; usually transient."""


class VideoGone(Exception):
    """The video's file is not in the storage."""


class Output:
    """The output folder of one batch. Files are written atomically, even if the command is killed."""

    def __init__(self, folder: Path, batch_digest: str, rows: int) -> None:
        """Create the folder if needed. `rows`, the number of rows in the file, sets the width of the numbers in file
        names.

        Raises:
            OutputError: not a folder, not writable, or in use by another batch.
        """
        self.folder = folder
        self._batch = batch_digest
        self._digits = max(4, len(str(rows)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputError(_cannot_write(folder, error)) from error
        self._kept = {record.get("row"): record for record in self._read_manifest()}

    def collect(self, entry: BatchEntry, job: Job) -> dict[str, Any]:
        """Write a row's video, if it has one, and return its manifest record.

        Raises:
            VideoUnreadable: the storage failed to return the video.
            OutputError: the video cannot be written.
        """
        record = self.record(entry, job)
        if job.status != Status.DONE:
            return record
        video = video_of(job)
        gone = {**record, "status": DELETED, "error": str(_("The clip was deleted."))}
        if video is None:
            return gone
        name = f"{self._stem(entry)}.{job.request['format']}"
        try:
            if not self._is_here(entry, name, video):
                self._write(name, lambda stream: _copy(video.video_file, stream))
        except VideoGone:
            return gone
        return {**record, "video": str(video.pk), "file": name}

    def record(self, entry: BatchEntry, job: Job | None) -> dict[str, Any]:
        """Return the manifest record of a row without a file."""
        status = job.status if job else "pending" if entry.request else "invalid"
        request = job.stored_request if job else entry.request and entry.request.to_dict()
        return {
            "batch": self._batch,
            "row": entry.row.number,
            "line": entry.row.line,
            "status": str(status),
            "job": str(job.pk) if job else None,
            "video": None,
            "file": None,
            "error": (str(job.error_text) if job else "; ".join(entry.problems)) or None,
            "request": request,
        }

    def write_manifest(self, records: Iterable[dict[str, Any]]) -> None:
        """Write the manifest, replacing the old one atomically."""
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        self._write(MANIFEST, lambda stream: stream.write(lines.encode("utf-8", "backslashreplace")))

    def _stem(self, entry: BatchEntry) -> str:
        number = f"{entry.row.number:0{self._digits}d}"
        slug = stem(entry.request.prompt if entry.request else "", length=_SLUG_LENGTH)
        return f"{number}-{slug}" if slug else number

    def _is_here(self, entry: BatchEntry, name: str, video: Any) -> bool:
        """Return whether an earlier run already wrote this video."""
        kept = self._kept.get(entry.row.number, {})
        path = self.folder / name
        return kept.get("video") == str(video.pk) and path.is_file() and path.stat().st_size == video.size

    def _read_manifest(self) -> list[dict[str, Any]]:
        """Return the records of an earlier run; empty if there are none or they are another batch's without files."""
        path = self.folder / MANIFEST
        try:
            records = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        except FileNotFoundError:
            return []
        except (OSError, ValueError):
            records = [None]
        if not all(isinstance(record, dict) and "batch" in record for record in records):
            raise OutputError(_("%s is not one of our manifests. Name another folder, or move that file away.") % path)
        others = [record for record in records if record["batch"] != self._batch]
        if any(record.get("file") for record in others):
            raise OutputError(_("%s belongs to another batch. Name another folder, or move that file away.") % path)
        return [] if others else records

    def _write(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        target = self.folder / name
        try:
            with replacing(target) as part, part.open("wb") as stream:
                fill(stream)
        except OSError as error:
            raise OutputError(_cannot_write(target, error)) from error


def _copy(file: Any, target: BinaryIO) -> None:
    """Copy a stored file, keeping storage errors distinct from write errors."""
    chunks = _chunks(file)
    while (chunk := next(chunks, None)) is not None:
        target.write(chunk)


def _chunks(file: Any) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            yield from source.chunks()
    except FileNotFoundError as error:
        raise VideoGone from error
    except Exception as error:  # each storage backend raises its own errors
        raise VideoUnreadable(str(error)) from error


def _cannot_write(path: Path, error: OSError) -> str:
    return _("Cannot write %(path)s: %(reason)s.") % {"path": path, "reason": error.strerror or error}
