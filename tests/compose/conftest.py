"""One engine and one site for all tests here: the images take minutes to build."""

import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from tests.compose.guest import Guest
from tests.rigs.containers import images, project
from tests.rigs.containers.engine import Engine
from tests.rigs.containers.project import Project
from tests.rigs.containers.requirements import WITH_GPU_IMAGES, CannotRun

# Settings of an operator, as in .env: tests have no minute to wait until a worker counts as lost.
SETTINGS = "AURAVIDEO_LOST_AFTER=15\n"


@dataclass
class Measured:
    """What the tests measured, for the summary: lines of (what, figure)."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def seconds(self, what: str, seconds: float) -> None:
        self.lines.append((what, f"{seconds:.1f} s"))

    def megabytes(self, what: str, size: int) -> None:
        self.lines.append((what, f"{size / 1e6:.0f} MB"))


_MEASURED = Measured()


def pytest_terminal_summary(terminalreporter) -> None:
    if _MEASURED.lines:
        terminalreporter.section("measured")
        for what, figure in _MEASURED.lines:
            terminalreporter.write_line(f"{figure:>10}  {what}")


@pytest.fixture(scope="session")
def measured():
    return _MEASURED


@pytest.fixture(scope="session")
def engine():
    try:
        with Engine(WITH_GPU_IMAGES, keep=bool(os.environ.get("CONTAINERS_KEEP"))) as engine:
            yield engine
    except CannotRun as reason:
        if os.environ.get("CONTAINERS_MAY_SKIP"):
            pytest.skip(str(reason))
        raise


@pytest.fixture(scope="session")
def checkout(engine):
    """Yield this checkout in the engine, with secrets, and nothing built yet."""
    with project.running(engine) as copy:
        subprocess.run([sys.executable, "deploy/make_secrets.py"], cwd=copy.folder, check=True)
        with (copy.folder / ".env").open("a") as settings:
            settings.write(SETTINGS)
        yield copy


@pytest.fixture(scope="session")
def built(checkout, measured) -> Project:
    """Return the checkout with all of its images."""
    import time

    for image, seconds in checkout.provide_images().items():
        measured.seconds(f"stand-in for {image}", seconds)
    for image, target in checkout.built_images().items():
        service = next(name for name, entry in checkout.config()["services"].items() if entry.get("image") == image)
        started = time.monotonic()
        checkout.compose("build", "--quiet", service)
        measured.seconds(f"build of {target}", time.monotonic() - started)
        measured.megabytes(f"image {target}", images.size(checkout.engine, image))
    return checkout


@pytest.fixture(scope="session")
def site(built, measured):
    """Return the running site."""
    measured.seconds("up to healthy, images present", built.up())
    return built


@pytest.fixture
def guest(engine, site):
    return Guest(engine).sign_up()
