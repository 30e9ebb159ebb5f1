"""The earlier-version rig unpacks exactly the requested commit, or says how to get it."""

import subprocess

import pytest

from tests.rigs.earlier_version import NotInHistory, unpack


@pytest.fixture
def repository(tmp_path):
    """Return a repository of two commits, and its first commit."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    for text in ("first", "second"):
        (folder / "file.txt").write_text(text)
        git("add", ".")
        git("commit", "--quiet", "-m", text)
    return folder, git("rev-parse", "HEAD~1")


def test_the_files_are_those_of_the_commit_whatever_is_checked_out(repository, tmp_path):
    folder, first = repository
    (folder / "file.txt").write_text("changed")
    old = unpack(first, tmp_path / "old", folder)
    assert (old / "file.txt").read_text() == "first"
    assert (folder / "file.txt").read_text() == "changed"


def test_a_shallow_clone_is_told_how_to_get_the_history(repository, tmp_path):
    folder, first = repository
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{folder}", str(shallow)], check=True)
    with pytest.raises(NotInHistory, match="git fetch --unshallow"):
        unpack(first, tmp_path / "old", shallow)
