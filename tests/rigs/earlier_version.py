"""The code of an earlier commit, unpacked into a folder and run in the same environment as the current code."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class NotInHistory(RuntimeError):
    """The commit is missing from this clone."""

    def __init__(self, commit: str) -> None:
        super().__init__(
            f"Commit {commit} is not in this clone, so there is no earlier version to upgrade from. Fetch the whole "
            "history: git fetch --unshallow (or, where the clone is complete but old: git fetch --all)."
        )


def unpack(commit: str, folder: Path, repository: Path = ROOT) -> Path:
    """Write the tree of `commit` into `folder` and return the folder. Raises NotInHistory."""
    known = _git(repository, "cat-file", "-e", f"{commit}^{{tree}}")
    if known.returncode:
        raise NotInHistory(commit)
    archive = _git(repository, "archive", "--format=tar", commit)
    assert archive.returncode == 0, archive.stderr
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
