"""A copy of this checkout inside of an engine, run by its own compose.yaml."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rigs.containers import images
from tests.rigs.containers.engine import Engine

UP_SECONDS = 300
_PUBLIC = {"email_url", "s3_access_key_id"}  # names, not secrets: as generated, there is no mail server


class Project:
    """The checkout in a folder of its own, so that its secrets, its .env and changes to it touch nobody's.

    Args:
        engine: where it runs.
        name: the folder, and so that of a second project beside it.
    """

    def __init__(self, engine: Engine, name: str = "project") -> None:
        self.engine = engine
        self.folder = engine.folder / name
        copy_checkout(self.folder)

    def compose(self, *arguments: str, **options: Any) -> str:
        """Return what `docker compose ARGUMENTS` prints."""
        return self.engine.docker("compose", *arguments, cwd=self.folder, **options)

    def config(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.compose(*arguments, "config", "--format", "json"))

    def provide_images(self, *services: str) -> dict[str, float]:
        """Build stand-ins for the public images that it names; return the seconds each took.

        Args:
            services: only these, of any profile; by default all that no profile names.
        """
        chosen = self.config("--profile", "*")["services"] if services else self.config()["services"]
        public = [chosen[name]["image"] for name in services or chosen if "build" not in chosen[name]]
        return images.provide(self.engine, [*images.named_in(self.folder / "deploy" / "Dockerfile"), *public])

    def built_images(self) -> dict[str, str]:
        """Return the images that it builds itself: target by image."""
        services = self.config()["services"].values()
        return {service["image"]: service["build"]["target"] for service in services if "build" in service}

    @contextlib.contextmanager
    def settings(self, **values: str) -> Iterator[None]:
        """Set these in .env; put back what was there."""
        path = self.folder / ".env"
        before = path.read_text()
        path.write_text(before + "".join(f'{name}="{value}"\n' for name, value in values.items()))
        try:
            yield
        finally:
            path.write_text(before)

    def up(self, *arguments: str) -> float:
        """Start it and wait until it is healthy; return the seconds that took."""
        started = time.monotonic()
        self.compose("up", "--detach", "--wait", f"--wait-timeout={UP_SECONDS}", "--quiet-pull", *arguments)
        return time.monotonic() - started

    def containers(self, service: str = "", *, ended: bool = False) -> list[dict[str, Any]]:
        """Return what `docker inspect` says about the running containers, or also those that `ended`."""
        options = ["--all"] if ended else []
        names = self.compose("ps", "--quiet", *options, *filter(None, [service])).split()
        return json.loads(self.engine.docker("inspect", *names)) if names else []

    def rows(self, query: str) -> list[list[str]]:
        """Return rows of its database as texts."""
        shell = 'psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --csv --tuples-only --command="$0"'
        printed = self.compose("exec", "-T", "database", "sh", "-c", shell, query)
        return [line.split(",") for line in printed.splitlines()]

    def secrets(self) -> dict[str, str]:
        """Return the secrets of this installation by name, each line of a file on its own."""
        found = {}
        for path in sorted((self.folder / "secrets").iterdir()):
            if path.name not in _PUBLIC:
                found |= {f"{path.name} {line.strip()[:6]}": line.strip() for line in path.read_text().splitlines()}
        return {name: value for name, value in found.items() if len(value) >= 16}

    def crash(self, container: dict[str, Any]) -> None:
        """Kill the first process of a container, as the kernel does when memory runs out.

        `docker kill` would count as a wish of the operator, and the container would not be started again.
        """
        self.engine.run("kill", "-KILL", str(container["State"]["Pid"]))


def copy_checkout(target: Path) -> None:
    """Copy this checkout's files to a folder: what git tracks and what is new, but nothing that it ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=images.REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = images.REPOSITORY / name
        if source.is_file() and not source.is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


@contextlib.contextmanager
def running(engine: Engine) -> Iterator[Project]:
    """Yield a project that is removed afterwards, with its containers, volumes and networks."""
    project = Project(engine)
    try:
        yield project
    finally:
        with contextlib.suppress(FileNotFoundError):
            project.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")
        shutil.rmtree(project.folder)
