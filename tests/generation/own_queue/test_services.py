"""One's own queue: its order, and its pause, on a real broker. Turns between people stay as they were."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from generation.domain.states import Stage, Status
from generation.models import Job
from generation.own_queue import services as own_queue
from generation.own_queue.services import Move
from generation.queue import broker, claims, recovery, services, turns
from tests.factories import UserFactory
from tests.generation.queue.test_turns import Cards, serve, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(db):
    return UserFactory()


@pytest.fixture
def bob(db):
    return UserFactory()


def order(user):
    return list(Job.objects.filter(user=user, status=Status.QUEUED).order_by("queued_at"))


def versions(user):
    return dict(Job.objects.filter(user=user).values_list("pk", "version"))


# --- Order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moved", "where", "expected"),
    [
        (3, Move.TOP, [3, 0, 1, 2]),
        (2, Move.UP, [0, 2, 1, 3]),
        (1, Move.DOWN, [0, 2, 1, 3]),
        (0, Move.TOP, [0, 1, 2, 3]),
        (0, Move.UP, [0, 1, 2, 3]),
        (3, Move.DOWN, [0, 1, 2, 3]),
    ],
)
def test_a_clip_moves_among_its_owners_waiting_clips(alice, moved, where, expected):
    jobs = submit(alice, 4)
    own_queue.move(jobs[moved], where)
    assert [jobs.index(job) for job in order(alice)] == expected


@pytest.mark.parametrize(("other", "expected"), [(0, [3, 0, 1, 2]), (2, [0, 1, 3, 2]), (None, [0, 1, 2, 3])])
def test_a_clip_can_be_put_before_another_one(alice, other, expected):
    jobs = submit(alice, 4)
    own_queue.move(jobs[3], Move.BEFORE, None if other is None else jobs[other].pk)
    assert [jobs.index(job) for job in order(alice)] == expected


def test_before_a_clip_that_has_started_or_is_not_ones_own_is_the_end(alice, bob):
    jobs, (foreign,) = submit(alice, 3), submit(bob)
    own_queue.move(jobs[0], Move.BEFORE, foreign.pk)
    assert [jobs.index(job) for job in order(alice)] == [1, 2, 0]


def test_the_fourth_clip_moved_to_the_top_is_generated_next(alice):
    cards, jobs = Cards(), submit(alice, 6)
    cards.step()
    own_queue.move(jobs[4], Move.TOP)
    cards.step()
    assert cards.rendering[0].job == jobs[4]


def test_moving_changes_no_turn_between_users(alice, bob):
    def turns_of(*, moves):
        jobs = submit(alice, 4)
        submit(bob, 4)
        serve("cpu")
        for job in jobs[1:] if moves else ():
            own_queue.move(job, Move.TOP)
        return Cards().until_empty()

    as_before = turns_of(moves=False)
    Job.objects.all().delete()
    broker.connection().flushall()
    assert turns_of(moves=True) == as_before


def test_only_clips_whose_place_changed_get_a_new_version(alice):
    jobs = submit(alice, 4)
    before = versions(alice)
    assert set(own_queue.move(jobs[2], Move.UP)) == {jobs[1].pk, jobs[2].pk}
    after = versions(alice)
    assert [after[job.pk] - before[job.pk] for job in jobs] == [0, 1, 1, 0]


def test_a_clip_that_has_just_started_stays_where_it_is(alice):
    cards, jobs = Cards(), submit(alice, 3)
    cards.step()
    before = versions(alice)
    assert own_queue.move(jobs[0], Move.DOWN) is None
    assert versions(alice) == before


def test_a_clip_that_starts_while_others_are_moved_keeps_its_state(alice, monkeypatch):
    """Whoever claims first wins: the moments are written to clips that still wait."""
    jobs = submit(alice, 3)
    serve("cpu")
    real = own_queue._ordered

    def slow(*arguments):
        claims.claim(jobs[0].pk, 1, Stage.GENERATE, 0, "worker")
        return real(*arguments)

    monkeypatch.setattr(own_queue, "_ordered", slow)
    own_queue.move(jobs[2], Move.TOP)
    first = Job.objects.get(pk=jobs[0].pk)
    assert (first.status, first.queued_at) == (Status.RUNNING, jobs[0].queued_at)


# --- Pause ------------------------------------------------------------------------------------------------------------


def test_nothing_of_a_paused_queue_is_started_and_running_clips_finish(alice, bob):
    cards, jobs = Cards(), submit(alice, 3)
    cards.step()
    assert own_queue.pause(alice)
    submit(bob, 2)
    for _ in range(6):
        cards.step()
    assert cards.order.count(alice) <= 2, "at most the one that ran and the one that was taken with it"
    assert cards.order.count(bob) == 2
    assert Job.objects.get(pk=jobs[2].pk).status == Status.QUEUED


def test_a_resumed_queue_goes_on_although_workers_found_nobody_meanwhile(alice):
    submit(alice, 3)
    own_queue.pause(alice)
    cards = Cards()
    for _ in range(5):
        cards.step()
    assert cards.order == []
    assert broker.standing() == [], "the messages are gone"
    assert own_queue.resume(alice)
    assert cards.until_empty() == [alice] * 3


def test_pausing_and_resuming_ten_times_sends_no_message_twice(alice):
    submit(alice, 3)
    serve("cpu")
    before = len(broker.standing())
    for _ in range(10):
        own_queue.pause(alice)
        own_queue.resume(alice)
    assert len(broker.standing()) == before


def test_clips_queued_while_paused_wait_too(alice):
    own_queue.pause(alice)
    submit(alice, 2)
    cards = Cards()
    cards.step()
    cards.step()
    assert cards.order == []
    own_queue.resume(alice)
    assert cards.until_empty() == [alice] * 2


def test_the_sweep_leaves_a_paused_queue_alone_but_not_that_of_others(alice, bob):
    """Without their messages, since workers took them: a day later, nothing has been sent again."""
    mine, other = submit(alice, 2), submit(bob, 1)
    serve("cpu")
    own_queue.pause(alice)
    broker.connection().flushall()
    Job.objects.update(touched_at=timezone.now() - timedelta(days=1))
    assert recovery.requeue_lost() == 1
    assert {job.run for job in Job.objects.filter(pk__in=[job.pk for job in mine])} == {1}
    assert Job.objects.get(pk=other[0].pk).run == 2


def test_a_paused_user_is_in_nobodys_way(alice, bob):
    submit(alice, 5)
    own_queue.pause(alice)
    assert turns.line().clips_before(bob.pk) == 0


def test_pausing_twice_is_pausing_once(alice):
    submit(alice, 1)
    assert [own_queue.pause(alice), own_queue.pause(alice)] == [True, False]
    since = User.objects.get(pk=alice.pk).queue_paused_at
    assert [own_queue.resume(alice), own_queue.resume(alice)] == [True, False]
    assert since
    assert User.objects.get(pk=alice.pk).queue_paused_at is None


def test_pages_hear_of_a_pause(alice):
    submit(alice, 2)
    before = versions(alice)
    own_queue.pause(alice)
    assert all(version == before[pk] + 1 for pk, version in versions(alice).items())


def test_cancelling_works_while_paused(alice):
    submit(alice, 2)
    own_queue.pause(alice)
    assert services.cancel_waiting(alice) == 2
