"""The folder that `manage.py batch --output` fills: one file a row and `manifest.jsonl` (docs/batch.md)."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext_lazy as _

from auravideo.core.file_names import stem
from auravideo.core.files import replacing
from generation.batches.services import Entry
from generation.domain.states import Status
from generation.jobs.selectors import video_of
from generation.models import Job

MANIFEST = "manifest.jsonl"
DELETED = "deleted"  # the state of a row whose clip its owner deleted
_SLUG_LENGTH = 50  # characters; at 4 bytes each still far from the 255 bytes that a file name may have


class OutputError(Exception):
    """The folder cannot be written to."""


class VideoUnreadable(Exception):
    """The storage did not give the video; it may do so later."""


class VideoGone(Exception):
    """The storage has no such file."""


class Output:
    """One folder for one batch. Files appear in it whole or not at all, also when the command is killed."""

    def __init__(self, folder: Path, batch_digest: str, rows: int) -> None:
        """`rows`: how many the file has, which decides how wide the numbers are.

        Raises:
            OutputError: it is no folder, cannot be written to, or holds the clips of another batch.
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

    def collect(self, entry: Entry, job: Job) -> dict[str, Any]:
        """The manifest's record of a row, after its video was written if it has one.

        Raises:
            VideoUnreadable, OutputError.
        """
        record = self.record(entry, job)
        if job.status != Status.DONE:
            return record
        video = video_of(job)
        gone = {**record, "status": DELETED, "error": str(_("The video was deleted."))}
        if video is None:
            return gone
        name = f"{self._stem(entry)}.{job.request['format']}"
        try:
            if not self._is_here(entry, name, video):
                self._write(name, lambda stream: _copy(video.video_file, stream))
        except VideoGone:
            return gone
        return {**record, "video": str(video.pk), "file": name}

    def record(self, entry: Entry, job: Job | None) -> dict[str, Any]:
        """The manifest's record of a row that has no file (yet)."""
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
        """Replace the manifest."""
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        self._write(MANIFEST, lambda stream: stream.write(lines.encode("utf-8", "backslashreplace")))

    def _stem(self, entry: Entry) -> str:
        number = f"{entry.row.number:0{self._digits}d}"
        slug = stem(entry.request.prompt if entry.request else "", length=_SLUG_LENGTH, unicode=True)
        return f"{number}-{slug}" if slug else number

    def _is_here(self, entry: Entry, name: str, video: Any) -> bool:
        """Whether an earlier run wrote just this video."""
        kept = self._kept.get(entry.row.number, {})
        path = self.folder / name
        return kept.get("video") == str(video.pk) and path.is_file() and path.stat().st_size == video.size

    def _read_manifest(self) -> list[dict[str, Any]]:
        """The records of an earlier run on this folder."""
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
    """Copy a stored file. Trouble with the storage is told from trouble with the folder."""
    chunks = _chunks(file)
    while (chunk := next(chunks, None)) is not None:
        target.write(chunk)


def _chunks(file: Any) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            yield from source.chunks()
    except FileNotFoundError as error:
        raise VideoGone from error
    except Exception as error:  # what a storage raises is its own affair
        raise VideoUnreadable(str(error)) from error


def _cannot_write(path: Path, error: OSError) -> str:
    return _("Cannot write %(path)s: %(reason)s.") % {"path": path, "reason": error.strerror or error}
