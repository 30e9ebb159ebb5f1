"""The whole site on a system that offers no more than macOS: it starts, renders a clip, and leaves nothing behind."""

import os
import signal
import time

import pytest

from tests.rigs import lean_system
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]


@pytest.fixture
def site(tmp_path):
    there = Site(tmp_path / "home", **lean_system.environment())
    yield there
    if there.process is not None and there.process.poll() is None:
        there.stop()


RENDER = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
user, _ = User.objects.get_or_create(username="lean", defaults={"email": "lean@example.org"})
asked = {"prompt": "a red heart rising over the sea", "seconds": 1, "fps": 16, "size": "128x128", "steps": 2}
print(services.submit(user, parse(asked, available.catalogue(), available.limits())).pk)
"""
STATUS = "from generation.models import Job; job = Job.objects.get(); print(job.status, job.error_id)"


WORKERS = "from generation.models import Worker; print(*Worker.objects.values_list('pid', flat=True))"


def test_a_clip_is_rendered_and_the_death_of_serve_ends_the_rest(site):
    site.start()
    site.python(RENDER)
    deadline = time.monotonic() + 600
    while site.python(STATUS).split()[0] in ("queued", "running"):
        assert time.monotonic() < deadline, site.log.read_text()
        time.sleep(1)
    assert site.python(STATUS).split() == ["done"]
    pids = [int(pid) for pid in site.python(WORKERS).split()]
    assert len(pids) == 4
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()
    while [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
