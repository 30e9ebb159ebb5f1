"""compose.yaml and its companions are accepted in every combination, and by linters."""

import itertools
import json
import shutil
import subprocess

import pytest

from tests.rigs.containers import images

pytestmark = pytest.mark.containers


def test_every_combination_of_files_and_profiles_is_valid(checkout):
    more = sorted(path.name for path in checkout.folder.glob("compose.*.yaml"))
    profiles = checkout.compose("config", "--profiles").split()
    tried = 0
    for files in _subsets(more):
        named = [part for name in ("compose.yaml", *files) for part in ("--file", name)]
        for chosen in _subsets(profiles):
            options = [part for name in chosen for part in ("--profile", name)]
            said = checkout.compose(*named, *options, "config", "--quiet", both=True)
            assert said == "", f"{named} {options}: {said}"
            tried += 1
    assert tried == 2 ** (len(more) + len(profiles))


def test_without_secrets_and_settings_it_says_what_to_do(checkout):
    (checkout.folder / ".env").rename(checkout.folder / ".env.away")
    try:
        with pytest.raises(RuntimeError, match="make secrets"):
            checkout.compose("config", "--quiet")
    finally:
        (checkout.folder / ".env.away").rename(checkout.folder / ".env")


def test_hadolint_finds_nothing():
    dockerfiles = [path for path in (images.REPOSITORY / "deploy").rglob("*Dockerfile*") if path.is_file()]
    assert dockerfiles
    done = subprocess.run([_tool("hadolint"), *dockerfiles], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_dclint_finds_nothing():
    if shutil.which("npx") is None:
        pytest.skip("dclint comes from npm, and npx is not installed")
    files = sorted(path.name for path in images.REPOSITORY.glob("compose*.yaml"))
    assert files
    command = ["npx", "--yes", "dclint@3.1.0", "--formatter", "json", *files]
    done = subprocess.run(command, cwd=images.REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = [(file["filePath"], message) for file in json.loads(done.stdout) for message in file["messages"]]
    assert found == []


def _subsets(names):
    return itertools.chain.from_iterable(itertools.combinations(names, count) for count in range(len(names) + 1))


def _tool(name):
    return images.REPOSITORY / ".venv" / "bin" / name
