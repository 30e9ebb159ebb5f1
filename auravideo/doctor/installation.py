"""Checks of this machine: Python, packages, settings, secrets, disk."""

import grp
import os
import pwd
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from django.conf import settings
from django.core import checks
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from auravideo import environment
from auravideo.core.machine import permissions
from auravideo.doctor.findings import Check, NotApplicable, Problem, State

PYTHON = ">=3.11,<3.15"  # as in pyproject.toml
INSTALL = "Install what the lock file says: make run, or .venv/bin/uv pip install --no-deps -r requirements.txt"
# Stages have machines of their own (docs/adr/0002): a package that only some of them need may be missing.
ALWAYS = ("django", "celery", "redis", "channels", "daphne", "prometheus-client", "structlog", "pillow", "av")
WITH_TORCH = ("gguf",)  # came later than torch, and only some models need it
TOO_LITTLE, LITTLE = 0.5 * 2**30, 5 * 2**30  # bytes; a long clip's frames take up to 2 GiB
MOUNTED_SECRETS = Path("/run/secrets")  # Docker's: only this container sees it


def python() -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    if found not in SpecifierSet(PYTHON):
        raise Problem(f"Python {found}", f"Use a Python {PYTHON}: make clean, then PYTHON=python3.12 make run")
    return found


def packages() -> str:
    """Compare what is installed with requirements.txt."""
    pins = _pins(settings.BASE_DIR / "requirements.txt")
    missing = [name for name in ALWAYS if name in pins and _installed(name) is None]
    if missing:
        raise Problem(f"missing: {', '.join(missing)}", INSTALL)
    others = [
        f"{name} {found} instead of {pin}"
        for name, pin in pins.items()
        if (found := _installed(name)) not in (None, pin)
    ]
    if _installed("torch") is not None:
        others += [f"{name} is missing" for name in WITH_TORCH if name in pins and _installed(name) is None]
    if others:
        raise Problem("; ".join(others), INSTALL, State.WARNING)
    return f"{sum(_installed(name) is not None for name in pins)} of {len(pins)} installed, all in the locked version"


def _pins(path: Path) -> dict[str, str]:
    """Return the versions that a lock file pins for this Python and platform."""
    if not path.is_file():
        raise NotApplicable("this installation has no requirements.txt")
    lines = [line.strip() for line in path.read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    applicable = [requirement for requirement in found if requirement.marker is None or requirement.marker.evaluate()]
    return {requirement.name: str(requirement.specifier).removeprefix("==") for requirement in applicable}


def _installed(name: str) -> str | None:
    try:
        return version(name).partition("+")[0]  # without the local part, such as +cu130
    except PackageNotFoundError:
        return None


def system_checks() -> str:
    """Run Django's and our own system checks."""
    found = [message for message in checks.run_checks() if not message.is_silenced()]
    serious = [message for message in found if message.level >= checks.WARNING]
    if serious:
        state = State.FAILED if any(message.level >= checks.ERROR for message in serious) else State.WARNING
        fixes = dict.fromkeys(message.hint or "See the message." for message in serious)
        raise Problem("; ".join(f"{message.msg} ({message.id})" for message in serious), " ".join(fixes), state)
    return "no warnings"


def secret_files() -> str:
    """Check that only this user can read the files that hold secrets, themselves or because their folder is closed."""
    own = [settings.HOME / "secret_key", settings.HOME / "db.sqlite3"]
    paths = [path for path in (*sorted(environment.secret_files), *own) if path.is_file()]
    for path in paths:
        if _open_to_others(path, stat.S_IRWXG, stat.S_IRWXO) and _is_reachable(path) and not _is_mounted(path):
            # SQLite makes its file readable by all, so in a home that was not made by us it is.
            state = State.WARNING if path.suffix == ".sqlite3" else State.FAILED
            mode = stat.filemode(path.stat().st_mode)
            raise Problem(f"{path} can be read by others ({mode})", f"chmod 600 {path}", state)
    return ", ".join(path.name for path in paths) or "none"


def _is_mounted(path: Path) -> bool:
    return path.is_relative_to(MOUNTED_SECRETS)


def _is_reachable(path: Path) -> bool:
    """Return whether other users can enter every folder on the way to a file."""
    return all(_open_to_others(folder, stat.S_IXGRP, stat.S_IXOTH) for folder in path.resolve().parents)


def _open_to_others(path: Path, group: int, others: int) -> bool:
    """Return whether a mode grants `others`, or grants `group` to a group that has members besides this user."""
    found = path.stat()
    return bool(found.st_mode & others or (found.st_mode & group and not _is_ours_alone(found.st_gid)))


def _is_ours_alone(gid: int) -> bool:
    """Return whether a group is this user's own, as Debian makes one for each user and each service."""
    accounts = (account for account in pwd.getpwall() if account.pw_uid != os.geteuid())
    members = {account.pw_name for account in accounts if account.pw_gid == gid}
    with suppress(KeyError):  # a group without a name, as in a container
        members |= set(grp.getgrgid(gid).gr_mem)
    return gid == os.getegid() and not members


def disk() -> str:
    """Check that there is room for frames, videos and temporary files."""
    described = []
    for name, folder in (("home", settings.HOME), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        described.append(f"{name}: {free / 2**30:.1f} GiB free")
        if free < LITTLE:
            fix = "Make room: delete models or videos, or move AURAVIDEO_HOME (or TMPDIR) to a larger disk."
            state = State.FAILED if free < TOO_LITTLE else State.WARNING
            raise Problem(f"{name} ({folder}): {free / 2**30:.1f} GiB free", fix, state)
    return ", ".join(described)


def home() -> str:
    """Check that this user can write everything in the home, also what another user (root, say) once made."""
    for path in (settings.HOME, *settings.HOME.iterdir()):
        if not os.access(path, os.W_OK):
            raise Problem(f"{path} cannot be written to", f"sudo chown -R $(id -un) {settings.HOME}")
    if open_to_others := permissions.lax(permissions.of_home(settings.HOME), settings.UMASK):
        paths = " ".join(map(str, open_to_others))
        fix = f"`serve` closes them at its start, or: chmod go-rwx {paths}. For a group, set AURAVIDEO_UMASK=027."
        raise Problem(f"other users can read {paths}", fix, State.WARNING)
    return str(settings.HOME)


CHECKS: list[Check] = [
    ("Python", python),
    ("packages", packages),
    ("settings", system_checks),
    ("home", home),
    ("secrets", secret_files),
    ("disk", disk),
]
