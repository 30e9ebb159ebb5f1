"""`make audit` finds what is planted, and does not call clean what it could not check."""

import json
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from scripts.audit import committed_secrets, unsafe_code, vulnerabilities
from scripts.audit.outcomes import Outcome, State, exit_code

CLEAN, FOUND, UNCHECKED = (Outcome("Part", state, "text") for state in State)
TOKEN = "ghp_" + "x7Kq2mVb9TzRw4LpYn8JcHs3DfGa6E1uQo0i"  # in two parts: this file is scanned too
NOBODY = "http://127.0.0.1:9/v1/query"  # the port for discarding, where nothing listens


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [([CLEAN, CLEAN], 0), ([CLEAN, UNCHECKED], 3), ([UNCHECKED, FOUND, CLEAN], 1)],
)
def test_the_exit_code_tells_findings_from_what_was_not_checked(outcomes, code):
    assert exit_code(outcomes) == code


def test_what_was_not_checked_says_so_first():
    assert str(UNCHECKED) == "Part: NOT CHECKED. text"


@pytest.mark.parametrize(
    ("code", "state"),
    [("import subprocess\nsubprocess.run('ls', shell=True)\n", State.FOUND), ("a = 1\n", State.CLEAN)],
)
def test_unsafe_code_is_found_in_migrations_too(tmp_path, code, state):
    module = tmp_path / "gallery" / "migrations" / "0001_first.py"
    module.parent.mkdir(parents=True)
    module.write_text(code)
    found = unsafe_code.check(tmp_path)
    assert found.state is state
    assert any("S602" in line and "0001_first.py" in line for line in found.details) is (state is State.FOUND)


def test_every_pinned_version_is_asked_for_and_each_package_once_at_a_time(tmp_path):
    (tmp_path / "requirements.txt").write_text("a==1 ; python_version < '3.12'\na==2\n    # via b\nb==1\nc>=1\n")
    (tmp_path / "requirements-dev.txt").write_text("b==1\nd[x]==3\nd==3\n")
    versions = vulnerabilities.pinned(tmp_path)
    assert list(vulnerabilities.rounds(versions)) == [["a==1", "b==1", "d==3"], ["a==2"]]


def test_a_package_that_a_list_does_not_have_is_not_clean():
    rows = [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "Dependency not found"}]
    found = vulnerabilities._outcome("here", rows)
    assert (found.state, found.details) == (State.UNCHECKED, ("Dependency not found",))
    assert vulnerabilities._outcome("here", rows[:1]).state is State.CLEAN


@pytest.fixture
def osv():
    """Return a function that starts a list in OSV's format, which knows something about some packages."""
    servers = []

    def start(*vulnerable: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name, version = asked["package"]["name"], asked["version"]
                body = json.dumps({"vulns": [_known(name, version)]} if name in vulnerable else {}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _known(name: str, version: str) -> dict:
    package = {"name": name, "ecosystem": "PyPI"}
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.0"}]}]
    affected = [{"package": package, "ranges": ranges, "versions": [version]}]
    dates = {"modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z"}
    return {"id": f"PYSEC-{name}", "details": "", "aliases": ["CVE-1"], "affected": affected, **dates}


@pytest.mark.thorough  # fetches the tools
@pytest.mark.parametrize(
    ("knows", "state"),
    [(("pyyaml", "jinja2"), State.FOUND), (("pyyaml",), State.CLEAN), ((), State.UNCHECKED), (None, State.UNCHECKED)],
)
def test_a_list_is_asked_and_one_that_knows_nothing_is_not_believed(tmp_path, osv, knows, state):
    (tmp_path / "requirements.txt").write_text("jinja2==3.1.6\ntqdm==4.67.1\n")
    url = NOBODY if knows is None else osv(*knows)
    found = vulnerabilities.check(url, tmp_path)
    assert found.state is state
    if state is State.FOUND:
        assert found.details == ("jinja2 3.1.6: PYSEC-jinja2 CVE-1, fixed in 9.0",)
    if state is State.UNCHECKED:
        assert "could be reached" in found.text and url in found.text


def git(folder, *arguments):
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.thorough  # fetches the tools
def test_a_secret_that_was_committed_once_is_found_and_not_repeated(tmp_path):
    git(tmp_path, "init", "--quiet")
    for text in (f"TOKEN = '{TOKEN}'\n", "TOKEN = ''\n"):
        (tmp_path / "settings.py").write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "--message", "a")
    found = committed_secrets.check(tmp_path)
    assert found.state is State.FOUND
    assert "settings.py:1" in found.details[0] and TOKEN not in str(found)


def test_without_a_checkout_no_secret_is_called_absent(tmp_path):
    assert committed_secrets.check(tmp_path).state is State.UNCHECKED
