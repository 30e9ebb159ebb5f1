"""`manage.py doctor`: every check in one table, bounded in time, without secrets."""

import json
import time

import pytest
from django.core.management import CommandError, call_command

from auravideo.doctor.findings import Finding, NotApplicable, Problem, State, carry_out
from auravideo.management.commands import doctor


def fail() -> str:
    raise Problem("it is broken", "Mend it.")


def warn() -> str:
    raise Problem("it is odd", "Look at it.", State.WARNING)


def skip() -> str:
    raise NotApplicable("not here")


def test_findings_keep_their_order_and_say_what_was_found():
    checks = [("slow", lambda: time.sleep(0.2) or "done"), ("bad", fail), ("odd", warn), ("absent", skip)]
    assert carry_out(checks) == [
        Finding("slow", State.OK, "done"),
        Finding("bad", State.FAILED, "it is broken", "Mend it."),
        Finding("odd", State.WARNING, "it is odd", "Look at it."),
        Finding("absent", State.SKIPPED, "not here"),
    ]


def test_a_check_that_hangs_is_a_finding_and_holds_nobody_up():
    started = time.monotonic()
    found = carry_out([("hangs", lambda: time.sleep(60)), ("quick", lambda: "")], seconds=1.5)
    assert time.monotonic() - started < 30
    assert (found[0].state, found[0].detail) == (State.FAILED, "did not finish within 1.5 s")
    assert found[1].state == State.OK


def test_a_slow_check_has_more_time_than_the_others():
    found = carry_out([("slow", lambda: time.sleep(0.5) or "done", 30.0)], seconds=0.1)
    assert [finding.state for finding in found] == [State.OK]


def test_many_that_hang_take_as_long_as_one():
    started = time.monotonic()
    found = carry_out([(str(number), lambda: time.sleep(60)) for number in range(20)], seconds=1)
    assert time.monotonic() - started < 15, "one after the other takes 20 s"
    assert {finding.state for finding in found} == {State.FAILED}


def test_a_check_that_breaks_is_a_finding():
    (found,) = carry_out([("broken", lambda: 1 / 0)])
    assert (found.state, found.detail) == (State.FAILED, "division by zero")


@pytest.fixture
def checks(monkeypatch):
    return lambda *found: monkeypatch.setattr(doctor, "CHECKS", list(found))


def test_the_table(checks, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    checks(("Redis", lambda: "Redis 7.4"), ("graphics card", skip), ("email", warn))
    call_command("doctor")
    assert capsys.readouterr().out == (
        "Redis          ok       Redis 7.4\n"
        "graphics card  -        not here\n"
        "email          WARNING  it is odd\n"
        "                        -> Look at it.\n"
    )


def test_warnings_alone_are_no_failure(checks):
    checks(("odd", warn))
    call_command("doctor")


def test_a_failure_gives_an_exit_status(checks):
    checks(("bad", fail), ("good", lambda: ""))
    with pytest.raises(CommandError, match="1 of 2 checks failed"):
        call_command("doctor")


def test_json(checks, capsys):
    checks(("bad", fail))
    with pytest.raises(CommandError):
        call_command("doctor", json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"check": "bad", "state": "failed", "detail": "it is broken", "fix": "Mend it."}
    ]


def test_no_password_in_the_table(checks, capsys):
    def leak() -> str:
        raise OSError("cannot reach postgres://aura:hunter22@db/aura")

    checks(("leaks", leak))
    with pytest.raises(CommandError):
        call_command("doctor")
    out = capsys.readouterr().out
    assert "hunter22" not in out and "postgres://aura:***@db/aura" in out


def test_a_timeout_must_be_positive():
    with pytest.raises(CommandError):
        call_command("doctor", timeout=0)


def test_every_check_has_a_name_of_its_own():
    names = [name for name, *_check in doctor.CHECKS]
    assert len(set(names)) == len(names) > 15
