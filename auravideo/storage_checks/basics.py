"""The checks that are the same for every storage: what the site does with frames and videos all day."""

import os
from pathlib import PurePosixPath
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from auravideo.core.storage import delete_folder
from auravideo.storage_checks.findings import Problem, Step
from generation.domain import storage_keys

SIZE = 64 * 1024
BROKEN = "The store answers, but wrongly: update it, or use another one (docs/operating.md names those we tested)."


class Basics:
    """Stores, reads, replaces and deletes files of an invented job, so that ten checks at once don't meet.

    `manage.py prune` deletes what a check leaves behind if it is killed.
    """

    def __init__(self, alias: str, storage: Storage) -> None:
        self.storage = storage
        job = uuid4()
        if alias == "frames":
            self.folder, keys = storage_keys.stage_folder(job, "check"), self._chunks(job)
        else:
            self.folder, keys = storage_keys.video_folder(job), list(storage_keys.video_files(job, "mp4").values())
        self.job_folder = storage_keys.frames_folder(job) if alias == "frames" else self.folder
        self.keys = keys
        self.content = os.urandom(SIZE)

    @staticmethod
    def _chunks(job: object) -> list[str]:
        return [storage_keys.chunk(job, "check", index) for index in range(4)]

    def steps(self) -> list[Step]:
        return [
            ("store a file", self.store),
            ("read it", self.read),
            ("look it up", self.look_up),
            ("list it", self.list_folder),
            ("replace it", self.replace),
        ]

    def last_steps(self) -> list[Step]:
        return [("delete a file", self.delete), ("delete a folder", self.delete_many)]

    def store(self) -> str:
        self._save(self.keys[0], self.content)
        return f"{SIZE // 1024} KiB"

    def read(self) -> str:
        self._expect(self.keys[0], self.content)
        return ""

    def look_up(self) -> str:
        if not self.storage.exists(self.keys[0]) or self.storage.size(self.keys[0]) != SIZE:
            raise Problem("what was stored is not there, or has another size", BROKEN)
        if self.storage.exists(self.keys[1]):
            raise Problem("it says that a file exists which was never stored", BROKEN)
        return ""

    def list_folder(self) -> str:
        names = self.storage.listdir(self.folder)[1]
        if names != [PurePosixPath(self.keys[0]).name]:
            raise Problem(f"one file was stored, and it lists {names}", BROKEN)
        return ""

    def replace(self) -> str:
        self.content = os.urandom(SIZE)
        self._save(self.keys[0], self.content)
        self._expect(self.keys[0], self.content)
        return ""

    def delete(self) -> str:
        self.storage.delete(self.keys[0])
        if self.storage.exists(self.keys[0]):
            raise Problem("it is still there", BROKEN)
        self.storage.delete(self.keys[0])  # twice is no error: two workers may clean up at once
        return ""

    def delete_many(self) -> str:
        for key in self.keys:
            self._save(key, self.content)
        delete_folder(self.storage, self.job_folder)
        if left := [key for key in self.keys if self.storage.exists(key)]:
            raise Problem(f"{len(left)} of {len(self.keys)} files are still there", BROKEN)
        return f"{len(self.keys)} files"

    def _save(self, key: str, content: bytes) -> None:
        name = self.storage.save(key, ContentFile(content))
        if name != key:
            self.storage.delete(name)
            raise Problem(f"it stored the file under another name, {name}", "Let the storage overwrite files.")

    def _expect(self, key: str, content: bytes) -> None:
        with self.storage.open(key, "rb") as file:
            if file.read() != content:
                raise Problem("what was read is not what was stored", BROKEN)
