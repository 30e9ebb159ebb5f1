"""Another version is deployed in the midst of the work, part by part, as a rolling restart does it."""

import json
import signal
from pathlib import Path

from auravideo.version import VERSION
from tests.chaos.plan import Kind, Planned
from tests.chaos.world import NotNow, World
from tests.rigs import another_version
from tests.site import ROOT

OTHER = f"{VERSION}.1"
JOINED_SECONDS = 120


def deploy(world: World, planned: Planned) -> None:
    """Replace one worker after the other and then the site, by the other of two versions.

    Workers of both versions work side by side for a while, and a new worker on the messages of an old one.
    """
    if not world.is_ready():  # an operator would not deploy into an outage
        raise NotNow
    root, version = _other(world)
    for member in _in_turn(world, planned.number):
        with member.away(signal.SIGTERM):
            member.root = root
    assert world.site.stop(signal.SIGTERM) == 0
    world.site.log.unlink()
    world.site.root = root
    world.site.start()
    world.until(lambda: set(_versions(world)) == {version}, f"not everybody is {version}", JOINED_SECONDS)


def _other(world: World) -> tuple[Path, str]:
    """Return the code and the version of the next deploy."""
    if world.site.root != ROOT:
        return ROOT, VERSION
    folder = world.folder / "another-version"
    return (folder if folder.exists() else another_version.copy(folder, OTHER)), OTHER


def _in_turn(world: World, number: int) -> list:
    members = list(world.members.values())
    first = number % len(members)
    return members[first:] + members[:first]


def _versions(world: World) -> list[str]:
    """Return the versions of the workers that are there, and of the site that lists them."""
    done = world.site.manage("workers", "--json")
    return [member["version"] for member in json.loads(done.stdout)] if done.returncode == 0 else []


KINDS = (Kind("another version is deployed, part by part", deploy),)
