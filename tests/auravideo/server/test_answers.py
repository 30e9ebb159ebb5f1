"""A process that runs and does not answer is started again; one that only gets no CPU is left alone."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from django.conf import settings as site_settings

from auravideo.core.metrics import presence, totals
from auravideo.server import answers, scheduler, web
from auravideo.server.answers import Answers
from auravideo.server.backoff import Backoff
from auravideo.server.supervisor import Process, Supervisor
from generation.queue import broker
from tests.auravideo.server.test_supervisor import pid_of, wait_until

# Answers every request on the listening socket FD, until the file STUCK exists: then it accepts and does not answer.
SERVER = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
kept = []
while True:
    connection, _ = listener.accept()
    if os.path.exists(sys.argv[2]):
        kept.append(connection)
        continue
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""


@pytest.fixture(autouse=True)
def _fast(monkeypatch, settings):
    settings.ANSWER_WITHIN_SECONDS = 0.9
    monkeypatch.setattr(answers, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(answers, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(answers, "START_SECONDS", 60.0)
    monkeypatch.setattr(Supervisor, "STEP_SECONDS", 0.01)
    monkeypatch.setattr(Supervisor, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(Supervisor, "SETTLED_SECONDS", 0.5)
    monkeypatch.setattr(Backoff, "FIRST_SECONDS", 0.01)


@pytest.fixture
def pages(tmp_path):
    """Return two web processes, each with a socket of its own, and the file that makes them stop answering."""
    stuck, listeners = tmp_path / "stuck", [web.bind("127.0.0.1", 0) for _ in range(2)]
    found = []
    for name, own in zip(("site", "site-2"), listeners, strict=True):
        own.listen()
        command = [sys.executable, "-S", "-c", SERVER, str(own.fileno()), str(stuck)]
        found.append(Process(name, command, files=[own.fileno()], answers=Answers(answers.of_pages(own))))
    yield found, stuck
    for own in listeners:
        own.close()


@pytest.fixture
def watch():
    """Return a function that lets a supervisor watch in the background; it ends what it started."""
    ends = []

    def start(*processes, **options):
        supervisor = Supervisor(processes, **options)
        supervisor.start()
        thread = threading.Thread(target=supervisor.watch)
        thread.start()
        ends.append((supervisor, thread))
        wait_until(lambda: all(process.answers.has_answered for process in processes))

    yield start
    for supervisor, thread in ends:
        supervisor.ask_to_stop()
        thread.join()
        supervisor.stop()


def test_one_that_stands_still_comes_back_and_the_other_is_not_touched(pages, watch, capsys):
    (first, second), _stuck = pages
    reports: list[list[str]] = []
    watch(first, second, report=lambda unwell: reports.append([process.name for process in unwell]))
    frozen, untouched = pid_of(first), pid_of(second)
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: pid_of(first) not in (None, frozen))
    wait_until(lambda: first.answers.has_answered)
    assert pid_of(second) == untouched
    wait_until(lambda: reports and reports[-1] == [])
    assert ["site"] in reports
    assert ["site-2"] not in reports
    (line,) = capsys.readouterr().out.splitlines()
    assert "site did not answer for" in line
    assert "was killed; starting it again in" in line


def test_one_that_accepts_and_never_answers_comes_back(pages, watch):
    (first, second), stuck = pages
    watch(first, second)
    before = pid_of(first), pid_of(second)
    stuck.touch()
    for process, pid in zip((first, second), before, strict=True):
        wait_until(lambda process=process, pid=pid: pid_of(process) not in (None, pid))
    stuck.unlink()
    wait_until(lambda: first.answers.has_answered and second.answers.has_answered)


def look_for(seconds, found, waited=lambda elapsed: 0.0):
    """Look for some seconds at a process that has waited for a CPU as `waited` says."""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        found.look(waited(elapsed))
        time.sleep(0.005)


def answered_once(then):
    """Return the answers of a process that answers its first question, and then as `then` says."""
    replies = iter([True])
    found = Answers(lambda _seconds: next(replies, then))
    while not found.has_answered:
        found.look(0.0)
        time.sleep(0.001)
    return found


def test_silence_while_it_waits_for_a_cpu_does_not_count():
    starved, hung = answered_once(False), answered_once(False)
    look_for(1.5, starved, waited=lambda elapsed: elapsed)
    look_for(1.5, hung)
    assert (starved.is_hung, hung.is_hung) == (False, True)
    assert (starved.is_silent, hung.is_silent) == (False, True)


def test_silence_while_nobody_looked_does_not_count(monkeypatch):
    """The machine slept, or the supervisor was frozen along with the rest."""
    monkeypatch.setattr(answers, "STEP_SECONDS", 0.05)
    found = answered_once(False)
    look_for(0.1, found)
    time.sleep(1.0)
    found.look(0.0)
    assert not found.is_hung


def test_what_says_nothing_about_a_process_does_not_count():
    found = answered_once(None)
    look_for(1.5, found)
    assert not found.is_hung
    assert found.silence == 0


def test_a_start_may_take_longer():
    found = Answers(lambda _seconds: False)
    look_for(1.5, found)
    assert found.silence > site_settings.ANSWER_WITHIN_SECONDS
    assert not found.is_hung


def test_nobody_who_schedules_is_silence_and_a_redis_that_is_away_says_nothing(monkeypatch):
    client = broker.connection()
    client.delete(scheduler.LEASE_KEY)
    assert answers.of_scheduler(1.0) is False
    client.set(scheduler.LEASE_KEY, "box:1:token")
    assert answers.of_scheduler(1.0) is True
    client.delete(scheduler.LEASE_KEY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gone = type(client).from_url(f"redis://127.0.0.1:{port}")
    monkeypatch.setattr(broker, "connection", lambda: gone)
    assert answers.of_scheduler(1.0) is None


@pytest.fixture
def worker_question(monkeypatch):
    """Return the question to this process, whose sign of life counts as missing at once."""
    monkeypatch.setattr(presence, "EXPIRES_SECONDS", 1)
    question = answers.of_worker(os.getpid)
    time.sleep(1.0)
    return question


def test_a_worker_without_a_sign_of_life_is_silent(worker_question):
    assert worker_question(1.0) is False
    presence.announce(presence.this_process(presence.WORKER, lambda: 0))
    assert worker_question(1.0) is True
    presence.leave(presence.WORKER)
    assert worker_question(1.0) is False


def test_a_missing_sign_says_nothing_until_a_worker_can_have_repeated_it_after_an_outage(worker_question, settings):
    there, settings.REDIS_METRICS_URL = settings.REDIS_METRICS_URL, "redis://127.0.0.1:1/0"
    totals.client.cache_clear()
    assert worker_question(1.0) is None
    settings.REDIS_METRICS_URL = there
    totals.client.cache_clear()
    assert worker_question(1.0) is None
    time.sleep(1.0)
    assert worker_question(1.0) is False


def test_a_missing_sign_says_nothing_while_redis_takes_no_writes(worker_question):
    client = totals.client()
    client.config_set("maxmemory", 1)
    try:
        assert worker_question(1.0) is None
    finally:
        client.config_set("maxmemory", 0)


def test_daphne_answers_at_an_address_of_its_own_besides_the_sites():
    from auravideo.server import processes

    with web.bind("127.0.0.1", 0) as held:
        held.listen()
        (process,) = processes.sites(held, "127.0.0.1", 1)
        running = subprocess.Popen(process.command, pass_fds=process.files)
        try:
            assert process.answers._ask(60) is True
        finally:
            running.kill()
            running.wait()
