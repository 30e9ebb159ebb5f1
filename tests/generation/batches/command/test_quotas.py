"""The command holds the quotas of its user, unless the operator says otherwise."""

import pytest

from generation.management.commands.batch import NOT_FINISHED
from generation.models import Job
from tests.factories import QuotaFactory

pytestmark = pytest.mark.django_db


def test_rows_wait_for_seconds_that_are_not_free_yet(run, file, user):
    QuotaFactory(seconds_a_day=5)
    code, out, err = run(file("a heart\na star\na cross\n"))
    assert (code, out) == (NOT_FINISHED, "3 rows: 2 queued.\n")
    assert "1 row could not be queued: the user has no seconds of video left (see --no-quotas)." in err


def test_a_row_that_is_beyond_the_quota_whenever_it_comes_is_invalid(run, file, user):
    QuotaFactory(user=user, max_seconds=2)
    code, _out, err = run(file("prompt,seconds\na heart,2\na star,3\n", "rows.csv"))
    assert code == 1
    assert err.startswith("line 3, seconds: Clips of your account can be up to 2 s long.")
    assert not Job.objects.exists()


def test_a_user_who_may_make_nothing_keeps_no_command_waiting(run, file, user):
    QuotaFactory(user=user, waiting=0)
    _code, out, err = run(file("a heart\na star\n"))
    assert out == "2 rows: 2 skipped.\n"
    assert err.count("Your account may not make clips.") == 1
    assert not Job.objects.exists()


def test_an_operator_may_exceed_the_quotas(run, file, user):
    QuotaFactory(user=user, seconds_a_day=0, max_seconds=1)
    code, out, err = run(file("a heart\na star\n"), no_quotas=True)
    assert (code, out, err) == (0, "2 rows: 2 queued.\n", "")
