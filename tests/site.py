"""A complete site, started like `make run`, with its own folder and port."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.rigs.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 180
USER, PASSWORD = "operator", "a long enough passphrase"
MAKE_USER = """
from accounts.models import User
if not User.objects.filter(username={name!r}).exists():
    User.objects.create_user({name!r}, "{name}@example.org", {password!r})
"""
SIGN_IN = """
import time
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
user = get_user_model().objects.get(username={name!r})
session = SessionStore()
session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session["account_authentication_methods"] = [{{"method": "password", "at": time.time(), "reauthenticated": True}}]
session["account_authentication_methods_user"] = str(user.pk)
session.save()
print(session.session_key)
"""

# Runs each line of standard input, a JSON string of code, and answers with what it printed and its traceback.
ANSWER = """
import io, json, sys, traceback
from contextlib import redirect_stdout
from django.db import close_old_connections
for line in sys.stdin:
    close_old_connections()
    printed, failure = io.StringIO(), ""
    with redirect_stdout(printed):
        try:
            exec(json.loads(line), {"__name__": "__main__"})
        except Exception:
            failure = traceback.format_exc()
    print(json.dumps([printed.getvalue(), failure]), flush=True)
"""


class Site:
    """`manage.py serve`, started and stopped by the tests.

    Args:
        home: its AURAVIDEO_HOME.
        queues: the workers to start; all by default, "" for pages only, which start in seconds.
        only: the parts to start, as `serve --only` takes them; all by default.
        root: the code to run; by default this checkout's.
        log: its log's name in the home, which several may share.
        environment: additional environment variables.
    """

    def __init__(
        self,
        home: Path,
        queues: str | None = None,
        *,
        only: str | None = None,
        root: Path = ROOT,
        log: str = "serve.log",
        **environment: str,
    ) -> None:
        self.home = home
        self.root = root
        self.command = [sys.executable, "manage.py", "serve"]
        self.command += [] if queues is None else [f"--queues={queues}"]
        self.command += [] if only is None else [f"--only={only}"]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
        clean = {name: os.environ[name] for name in keep if name in os.environ}
        if "TEST_BROKER_URL" in os.environ:  # tests/rabbitmq.py
            clean["BROKER_URL"] = os.environ["TEST_BROKER_URL"]
        self.environment = {
            **clean,
            "AURAVIDEO_ENV_FILE": os.devnull,
            "AURAVIDEO_HOME": str(home),
            "PORT": str(self.port),
            "AURAVIDEO_WEB_PROCESSES": "1",  # whatever the machine
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            "STAFF_SECOND_FACTOR": "off",
            **environment,
        }
        self.log = home / log
        self.process: subprocess.Popen | None = None
        self._shell: subprocess.Popen | None = None
        self._begins = 0

    def start(self) -> "Site":
        """Return once the ready line is printed. Raise RuntimeError with the log if it isn't."""
        return self.launch().wait_until_ready()

    def launch(self) -> "Site":
        """Start it and return at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._begins = log.tell()  # what an earlier start wrote does not count
            self.process = subprocess.Popen(
                self.command, cwd=self.root, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def wait_until_ready(self) -> "Site":
        deadline = time.monotonic() + READY_SECONDS
        while b"AuraVideo is ready" not in self.log.read_bytes()[self._begins :]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the site did not start:\n{self.log.read_text()}")
            time.sleep(0.2)
        return self

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it like Ctrl-C; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait_until_stopped()

    def wait_until_stopped(self) -> int:
        """Return the exit status of a site that was told to stop."""
        if self._shell:
            self._shell.communicate()  # the end of its input ends it
            self._shell = None
        return self.process.wait(60)

    def manage(self, *arguments: str, stdin: str | None = None, timeout: float = 600) -> subprocess.CompletedProcess:
        """Run a management command on the site."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.root, env=self.environment, input=stdin, capture_output=True, text=True, check=False,
            timeout=timeout,
        )  # fmt: skip

    def python(self, code: str) -> str:
        """Return what `code` prints in the site's own Django, one process for all calls."""
        if self._shell is None:
            self._shell = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v", "0", "-c", ANSWER],
                cwd=self.root, env=self.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        print(json.dumps(code), file=self._shell.stdin, flush=True)
        answer = self._shell.stdout.readline()
        assert answer, "the site's shell ended; its last words are above"
        printed, failure = json.loads(answer)
        assert not failure, failure
        return printed.strip()

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Return rows from the site's database."""
        with closing(sqlite3.connect(self.home / "db.sqlite3", timeout=20)) as database:
            return database.execute(query, values).fetchall()

    def make_user(self, name: str = USER) -> str:
        """Create a user, unless an earlier try of the same test did."""
        self.python(MAKE_USER.format(name=name, password=PASSWORD))
        return name

    def session_of(self, name: str) -> str:
        """Return the session cookie of a newly signed-in user."""
        return self.python(SIGN_IN.format(name=name))

    def processes(self) -> list[int]:
        """Return every living process that was started with this site's folder in its environment, and its Redis.

        Redis writes its title over its environment, so it is recognised by its socket.
        """
        home = re.escape(str(self.home).encode())
        started = re.compile(rb"(^|\0)AURAVIDEO_HOME=" + home + rb"(\0|$)")
        redis = re.compile(rb"redis-server unixsocket:" + home + rb"/")
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                variables, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if (started.search(variables) or redis.search(command)) and state != "Z":
                found.append(int(folder.name))
        return found
