"""Root file systems from Debian's packages, made once and kept."""

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.containers import folders

OLD_AFTER = 30 * 86400  # seconds; then its packages are outdated
CERTIFICATES = Path("/usr/local/share/ca-certificates")  # of this machine's own authorities, if it has any
_OPTIONS = (
    "--quiet",
    "--mode=root",
    "--variant=minbase",
    "--components=main",
    "--format=tar",
    "--dpkgopt=force-unsafe-io",  # four minutes become half a minute
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)
# A container on a machine with an authority of its own could download nothing without it.
_TRUST = (
    'mkdir -p "$1/usr/local/share/ca-certificates" && cp {folder}/*.crt "$1/usr/local/share/ca-certificates/" '
    '&& chroot "$1" update-ca-certificates >/dev/null'
)


@dataclass(frozen=True)
class RootFileSystem:
    """A Debian `suite` with `packages` added to the essential ones; `hooks` are mmdebstrap's customize hooks."""

    suite: str
    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()

    def tarball(self) -> Path:
        """Return it as a tar file, made now unless a recent one is there."""
        path = folders.cache() / f"{self.suite}-{self._digest()}.tar"
        with folders.locked(folders.cache() / f"{path.name}.lock"):
            if not _is_recent(path):
                _write(path, self._command())
        return path

    def folder(self) -> Path:
        """Return it unpacked, to be read only."""
        tarball = self.tarball()
        path = tarball.with_suffix("")
        with folders.locked(folders.cache() / f"{path.name}.lock"):
            if not path.exists() or path.stat().st_mtime < tarball.stat().st_mtime:
                shutil.rmtree(path, ignore_errors=True)
                _unpack(tarball, path)
        return path

    def _command(self) -> list[str]:
        mirror = mirror_of_this_machine()
        hooks = [f"--customize-hook={hook}" for hook in (*_trust(), *self.hooks)]
        included = f"--include={','.join((*self.packages, 'ca-certificates'))}"
        return ["mmdebstrap", *_OPTIONS, *hooks, included, self.suite, "-", *([mirror] if mirror else [])]

    def _digest(self) -> str:
        certificates = [path.read_text() for path in own_certificates()]
        return hashlib.sha256("\0".join([*self._command(), *certificates]).encode()).hexdigest()[:12]


def own_certificates() -> list[Path]:
    """Return the certificates of this machine's own authorities."""
    return sorted(CERTIFICATES.glob("*.crt"))


def mirror_of_this_machine() -> str | None:
    """Return the Debian mirror that this machine uses, or None for mmdebstrap's choice."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=False
    )
    mirrors = sorted({line for line in listed.stdout.split() if line.rstrip("/").endswith("/debian")})
    return mirrors[0] if mirrors else None


def _trust() -> list[str]:
    return [_TRUST.format(folder=CERTIFICATES)] if own_certificates() else []


def _is_recent(path: Path) -> bool:
    return path.exists() and time.time() - path.stat().st_mtime < OLD_AFTER


def _write(path: Path, command: list[str]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as tar:
        done = subprocess.run(command, stdout=tar, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        partial.unlink()
        raise RuntimeError(f"mmdebstrap failed:\n{done.stderr.decode(errors='replace')}")
    partial.rename(path)


def _unpack(tarball: Path, path: Path) -> None:
    partial = path.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    # Devices come from outside, and a container without the right to make them can still unpack the rest.
    subprocess.run(["tar", "-xf", tarball, "-C", partial, "--exclude=./dev/*", "--numeric-owner"], check=True)
    os.utime(partial)  # tar restores the folder's own time, which says nothing
    partial.rename(path)
