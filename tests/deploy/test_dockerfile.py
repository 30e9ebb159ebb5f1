"""The Dockerfile passes its linter, and builds images that are safe and quick to rebuild."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
TEXT = DOCKERFILE.read_text()
# Name of each stage: the one it begins with, and its instructions.
STAGES = {
    name: (parent, body)
    for parent, name, body in re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
IMAGES = ("web", "cpu", "torch", "tensorflow", "cuda", "flower", "backup")


def lint(text: str) -> str:
    hadolint = Path(sys.executable).with_name("hadolint")
    return subprocess.run([hadolint, "-"], input=text, capture_output=True, text=True, check=False).stdout


def test_the_linter_finds_nothing():
    assert lint(TEXT) == ""


def test_the_linter_finds_what_is_wrong():
    assert "DL3008" in lint(TEXT.replace("# hadolint ignore=DL3008\n", ""))
    assert "DL3006" in lint("FROM debian\n")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_ends_with_the_application_and_an_unprivileged_user(name):
    parent, body = STAGES[name]
    instructions = re.findall(r"^([A-Z]+) (.*)$", body.replace("\\\n", ""), re.MULTILINE)
    kept = [(word, rest) for word, rest in instructions if word != "EXPOSE"]
    assert kept[-2:] == [("COPY", "--from=application /app /app"), ("USER", "10001:10001")]
    assert parent.startswith("packages-")


def test_nothing_but_the_application_comes_from_the_build_context():
    copies = [
        (name, line) for name, (_, body) in STAGES.items() for line in re.findall(r"^COPY .*$", body, re.MULTILINE)
    ]
    assert [found for found in copies if "--from=" not in found[1]] == [("application", "COPY . .")]


def test_packages_are_downloaded_once():
    installs = re.findall(r"^RUN (?:.*\\\n)*.*uv pip install.*$", TEXT, re.MULTILINE)
    assert len(installs) == 6
    assert all("--mount=type=cache,target=/root/.cache/uv" in install for install in installs)


def test_no_build_asks_a_registry_for_its_own_syntax():
    assert not re.search(r"^#\s*syntax\s*=", TEXT, re.MULTILINE)


def test_only_what_is_listed_can_get_into_an_image():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    listed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert listed.isdisjoint({"secrets", ".env", "var", ".git", "deploy"})
    for name in listed - {"requirements-*.txt"}:
        assert (ROOT / name).exists(), name
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"tests", "scripts"} <= listed
