"""Each fault of the running site is found: settings of its address, missing processes, a proxy in the way."""

import contextlib
import dataclasses
from urllib.parse import urlsplit

import pytest

from auravideo.core.metrics import presence, totals
from auravideo.doctor import site
from auravideo.doctor.findings import State
from auravideo.version import VERSION
from generation.domain.stages import QUEUES
from generation.queue.monitoring import failing
from tests.factories import WorkerFactory
from tests.rigs.web_server import serving

HEALTHY = {"/healthz": (200, b"{}"), "/ws/jobs/": (403, b"")}  # what a real one answers: tests/e2e/test_doctor.py


@pytest.fixture(autouse=True)
def _default_hosts(settings):
    """Leave out the host that pytest-django adds."""
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


def test_debug_on_a_site_that_others_reach(settings, problem):
    settings.DEBUG = False
    assert site.debug() == "off"
    settings.DEBUG = True
    assert site.debug() == "on, for this machine only"
    settings.ALLOWED_HOSTS = ["video.example.org"]
    assert "video.example.org" in problem(site.debug).detail


def test_a_process_that_keeps_exiting(problem):
    assert site.processes() == "none keeps exiting"
    failing.report("box:1", [failing.Failing("upscale@box", 4)])
    assert "upscale@box keeps exiting (4 times in a row)" in problem(site.processes).detail


def test_hosts_of_the_default_site():
    assert site.hosts() == "127.0.0.1, [::1], localhost"


def test_hosts_of_a_site_behind_a_proxy(settings):
    settings.ALLOWED_HOSTS, settings.HTTPS = [".example.org", "localhost"], True
    settings.CSRF_TRUSTED_ORIGINS = ["https://video.example.org", "https://*.example.org"]
    assert "example.org" in site.hosts()


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({"HOST": "0.0.0.0"}, State.WARNING, "listens on 0.0.0.0"),
        ({"ALLOWED_HOSTS": ["video.example.org"]}, State.WARNING, "without HTTPS"),
        ({"ALLOWED_HOSTS": ["video.example.org"], "HTTPS": True}, State.WARNING, "does not know the address"),
        ({"CSRF_TRUSTED_ORIGINS": ["https://other.example.com"]}, State.FAILED, "not allowed"),
        (
            {"ALLOWED_HOSTS": ["v.example.org"], "CSRF_TRUSTED_ORIGINS": ["http://v.example.org"], "HTTPS": True},
            State.FAILED,
            "HTTPS is on",
        ),
    ],
)
def test_settings_of_the_address_that_do_not_fit_together(settings, problem, changes, state, said):
    for name, value in changes.items():
        setattr(settings, name, value)
    found = problem(site.hosts)
    assert found.state == state and said in found.detail


def crew(*queues: str) -> None:
    for queue in queues:
        WorkerFactory(queues=[queue])


@pytest.mark.django_db
def test_every_queue_has_a_worker():
    crew(*QUEUES, "upscale")
    assert site.workers() == "cpu: 1, generate: 1, interpolate: 1, upscale: 2"


@pytest.mark.django_db
def test_a_queue_without_a_worker(problem):
    crew(*QUEUES[:-2])
    assert problem(site.workers).detail == f"no worker on {QUEUES[-2]}, {QUEUES[-1]}"


@pytest.mark.django_db
def test_a_machine_that_was_not_updated(problem):
    crew(*QUEUES)
    here = presence.this_process(presence.WORKER, lambda: 0)
    presence.announce(dataclasses.replace(here, machine="far-away", version="0.0.1"))
    found = problem(site.workers)
    assert found.state == State.WARNING
    assert found.detail == f"worker on far-away: 0.0.1; here: {VERSION}"


@pytest.mark.django_db
def test_without_redis_nobody_knows_who_works(not_applicable, redis_is_down):
    crew(*QUEUES)
    assert not_applicable(site.workers) == not_applicable(site.scheduler) == "Redis does not answer"


def test_the_scheduler(problem):
    assert problem(site.scheduler).detail == "has never run"
    presence.note_schedule()
    assert site.scheduler() == "sent a task 0 s ago"
    totals.client().set(presence.SCHEDULED, float(totals.client().get(presence.SCHEDULED)) - 300)
    assert problem(site.scheduler).detail == "sent its last task 300 s ago"


@pytest.fixture
def answering(settings):
    """Return a function that lets something answer at the site's address."""
    with contextlib.ExitStack() as stack:

        def answer(answers) -> None:
            url = stack.enter_context(serving(answers))
            settings.HOST, settings.PORT = "0.0.0.0", urlsplit(url).port

        yield answer


def test_pages_and_websockets_of_a_healthy_site(answering):
    answering(HEALTHY)
    assert site.pages() == site.address()
    assert site.websockets() == f"{site.address()}/ws/jobs/"


def test_the_public_address_is_asked_where_there_is_one(settings, answering):
    answering(HEALTHY)
    settings.CSRF_TRUSTED_ORIGINS = [f"http://localhost:{settings.PORT}"]
    assert site.pages() == f"http://localhost:{settings.PORT}"


def test_a_proxy_that_does_not_say_that_it_has_tls(settings, answering, problem):
    settings.SECURE_SSL_REDIRECT = True
    answering({**HEALTHY, "/manifest.webmanifest": (200, b"{}")})
    assert site.pages() == site.address()
    answering({**HEALTHY, "/manifest.webmanifest": (301, b"")})
    assert "X-Forwarded-Proto" in problem(site.pages).fix


def test_a_site_that_is_not_there(settings, problem, not_applicable):
    settings.PORT = 1
    assert "refused" in problem(site.pages).detail
    assert not_applicable(site.websockets) == "the site does not answer"


@pytest.mark.parametrize(("status", "said"), [(503, "not healthy"), (502, "answers 502"), (400, "answers 400")])
def test_a_site_that_is_not_well(answering, problem, status, said):
    answering({"/healthz": (status, b"")})
    assert said in problem(site.pages).detail


@pytest.mark.parametrize("answer", [(404, b""), (400, b""), (426, b""), (403, b"nginx forbids it"), (200, b"")])
def test_a_proxy_that_keeps_websockets_out(answering, problem, answer):
    answering({**HEALTHY, "/ws/jobs/": answer})
    assert "Upgrade" in problem(site.websockets).fix
