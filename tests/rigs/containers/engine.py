"""A real container engine (Docker with Compose and BuildKit) from Debian's packages, in namespaces of its own.

Nothing of the machine changes: mounts, network, firewall rules and processes are the namespaces', which end with this
process even if it is killed. The network goes through slirp4netns, so there is no bridge or interface outside.

What it cannot show: a machine's own firewall, SELinux, AppArmor, rootless engines, and images of the public registry.
"""

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.rigs.containers import folders, requirements
from tests.rigs.containers.root_filesystems import RootFileSystem

ROOT = RootFileSystem(
    "trixie",
    ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables", "iproute2", "procps", "tini"),
)
START_SECONDS, STOP_SECONDS = 60, 30
_HERE = Path(__file__).parent
_CLONE_NEWNET = 0x40000000


class CommandFailed(RuntimeError):
    """A command of the engine ended with an error; its output is the text."""


class Engine:
    """A running engine: `with Engine() as engine: engine.docker("version")`.

    Start it from a thread that outlives it: the kernel ends the engine with that thread.

    Args:
        gigabytes: the disk that the images and containers will need; checked before anything is made.
        keep: use the images and the build cache of the last engine that kept them, and keep them again.
        shared: more folders that are the same inside and outside; the engine's own `folder` always is.
    """

    def __init__(
        self,
        gigabytes: float = requirements.WITHOUT_GPU_IMAGES,
        *,
        keep: bool = False,
        shared: Sequence[Path] = (),
    ) -> None:
        self.gigabytes = gigabytes
        self.keep = keep
        self.shared = shared
        self.folder: Path
        self._stack = contextlib.ExitStack()
        self._inside: psutil.Process

    def __enter__(self) -> "Engine":
        requirements.check(folders.base(), self.gigabytes)
        root = ROOT.folder()
        with contextlib.ExitStack() as stack:
            stack.callback(os.umask, os.umask(0o022))  # a shell's: our settings have closed what this process creates
            self.folder = stack.enter_context(folders.own())
            self._prepare(stack)
            self._inside = self._enter_namespaces(stack, root)
            self._start_network(stack)
            self._wait()
            if self.keep:
                self._remove_leftovers()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    # --- Use ----------------------------------------------------------------------------------------------------------

    def docker(self, *arguments: str | Path, **options: Any) -> str:
        """Return what `docker ARGUMENTS` prints; `options` and errors are those of `run`."""
        return self.run("docker", *arguments, **options)

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        stdin: Any = subprocess.DEVNULL,
        timeout: float = 1800,
        both: bool = False,
        **environment: str,
    ) -> str:
        """Return what a command prints that runs inside of the engine, from the engine's root file system.

        Args:
            cwd: where it runs, a folder that inside and outside share; the engine's own by default.
            stdin, timeout: as subprocess.run takes them.
            both: return the standard error too.
            environment: more variables.

        Raises:
            CommandFailed: it ended with another status than 0.
        """
        done = subprocess.run(
            self.command(*command, cwd=cwd),
            stdin=stdin,
            capture_output=True,
            env=self._environment(**environment),
            timeout=timeout,
            check=False,
        )
        output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if done.returncode:
            raise CommandFailed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{output}{errors}")
        return output + errors if both else output

    def command(self, *command: str | Path, cwd: Path | None = None) -> list[str]:
        """Return the command line that runs `command` inside of the engine."""
        enter = ["nsenter", "--target", str(self._inside.pid), "--mount", "--net", "--pid"]
        return [*enter, "env", f"--chdir={cwd or self.folder}", *map(str, command)]

    def write_client(self) -> Path:
        """Write a script that is this engine's `docker` for people, and return its path."""
        path = self.folder / "docker"
        variables = [f"{name}={value}" for name, value in self._environment().items()]
        here = shlex.quote(f"--chdir={self.folder}")
        command = shlex.join(self.command("env", *variables, "docker")).replace(here, '--chdir="$PWD"')
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)
        return path

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Put this thread into the engine's network, where `127.0.0.1` has the published ports.

        Connections that are opened inside stay there.
        """
        with Path(f"/proc/{self._inside.pid}/ns/net").open() as theirs, Path("/proc/thread-self/ns/net").open() as ours:
            _set_network(theirs.fileno())
            try:
                yield
            finally:
                _set_network(ours.fileno())

    @property
    def log(self) -> Path:
        """Return the engine's own log."""
        return self.folder / "engine.log"

    # --- Start and stop -----------------------------------------------------------------------------------------------

    def _prepare(self, stack: contextlib.ExitStack) -> None:
        (self.folder / "scratch").mkdir()
        (self.folder / "client").mkdir()
        if not self.keep:
            (self.folder / "data").mkdir()
            return
        kept = folders.base() / "data"
        kept.mkdir(exist_ok=True)
        stack.enter_context(folders.locked(kept))
        (self.folder / "data").symlink_to(kept)

    def _enter_namespaces(self, stack: contextlib.ExitStack, root: Path) -> psutil.Process:
        inside = [_HERE / "inside.sh", root, folders.cgroup(self.folder), self.folder, *self.shared]
        unshare = self._start(["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", *inside])
        stack.callback(self._stop, unshare)
        deadline = time.monotonic() + START_SECONDS
        while not (children := psutil.Process(unshare.pid).children()):
            if unshare.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The engine did not start:\n{self.log.read_text()}")
            time.sleep(0.01)
        return children[0]

    def _start_network(self, stack: contextlib.ExitStack) -> None:
        # Services of this machine stay out of the containers' reach.
        slirp = self._start(
            ["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", str(self._inside.pid), "tap0"]
        )
        stack.callback(_end, slirp, signal.SIGTERM)

    def _start(self, command: list) -> subprocess.Popen:
        """Start a process that is killed when this thread ends, and that Ctrl-C does not reach."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, folders.MARK: str(self.folder)},
                start_new_session=True,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.docker("version")
                return
            except CommandFailed as error:
                if not self._inside.is_running() or time.monotonic() > deadline:
                    raise RuntimeError(f"The engine did not start:\n{self.log.read_text()}") from error
            time.sleep(0.1)

    def _remove_leftovers(self) -> None:
        """Remove what a killed run left in the kept data beside images and the build cache."""
        if containers := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *containers)
        self.docker("volume", "prune", "--all", "--force")
        self.docker("network", "prune", "--force")

    def _stop(self, unshare: subprocess.Popen) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(unshare.pid).children():
                child.terminate()  # the engine stops its containers; the namespaces end with it
        _end(unshare, None)

    def _environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder / "client"),
            "LANG": "C.UTF-8",
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
            "DOCKER_CONFIG": str(self.folder / "client"),
            **more,
        }


def _end(process: subprocess.Popen, number: int | None) -> None:
    """Wait until a process ends, after a signal if one is given; kill it if it doesn't."""
    if number is not None:
        process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _set_network(handle: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns comes with Python 3.12
    if libc.setns(handle, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
