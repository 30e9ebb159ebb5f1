"""Whose clip is generated next, on a real queue: nobody waits for more than each worker's running clip.

The workers here are the real claims, taken one after the other, so that the order is the same in every run.
"""

import base64
import json
from uuid import UUID

import pytest
from django.utils import timezone

from generation.domain.memory_classes import with_classes
from generation.domain.stages import stage_of
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker, claims, services, turns
from generation.requests import available
from generation.requests.request import parse
from tests.factories import JobFactory, UserFactory
from workers import claiming, watchdog

pytestmark = pytest.mark.django_db(transaction=True)


def submit(user, count=1, **asked):
    request = parse(
        {"prompt": "a red heart", "fps": 8, "seconds": 1, **asked}, available.catalogue(), available.limits()
    )
    return [services.submit(user, request) for _ in range(count)]


def pop(*queues):
    """Take the first message of some queues, as a worker does. Return (stage, job, run, chunk), or None."""
    for priority in range(10):
        for queue in queues:
            raw = broker.connection().rpop(f"{queue}:{priority}" if priority else queue)
            if raw:
                message = json.loads(raw)
                if stage := stage_of(message["headers"]["task"]):
                    job, run, chunk = json.loads(base64.b64decode(message["body"]))[0]
                    return stage, UUID(job), run, chunk
    return None


def serve(*queues):
    """Run all that waits in queues without turns, and what follows from it."""
    while message := pop(*queues):
        if held := claiming.claim(*message):
            finish(held)


def finish(held):
    assert claims.finish(held, {})
    if held.stage in (Stage.PREPROCESS, Stage.GENERATE):
        services.send_next(held.job, held.run)


class Cards:
    """Workers of `generate` that take one clip each and end them in the order in which they took them."""

    def __init__(self, count=1, queues=("generate",)):
        self.count = count
        self.queues = queues
        self.rendering = []
        self.order = []

    def take(self):
        while len(self.rendering) < self.count and (message := pop(*self.queues)):
            if held := claiming.claim(*message):
                self.rendering.append(held)
                self.order.append(held.job.user)

    def step(self):
        """End the clip that was begun first, and begin the next."""
        serve("cpu")
        self.take()
        if self.rendering:
            finish(self.rendering.pop(0))
        self.take()

    def until_empty(self):
        while Job.objects.filter(status=Status.QUEUED).exists():
            self.step()
        return self.order


@pytest.fixture
def alice(db):
    return UserFactory()


@pytest.fixture
def bob(db):
    return UserFactory()


@pytest.fixture
def carol(db):
    return UserFactory()


def test_in_bulk_or_one_by_one_everybody_gets_every_third_turn(alice, bob, carol):
    """The first rule of the house: with three users waiting, nobody's next clip waits for more than one of each."""
    cards = Cards()
    submit(alice, 12)
    cards.step()
    submit(bob, 12)
    for _ in range(8):
        submit(carol)
        cards.step()
    order = cards.until_empty()
    all_wait = order[2 : 2 + 3 * 8]
    assert [len({*all_wait[n : n + 3]}) for n in range(0, len(all_wait), 3)] == [3] * 8
    assert len(order) == 32


def test_a_first_clip_waits_for_nothing_but_the_running_one_however_the_others_were_submitted(alice, bob):
    """Ten clips queued one by one used to put another user's first clip eleventh of eleven."""
    cards = Cards()
    for _ in range(10):
        submit(alice)
        serve("cpu")
    cards.take()
    submit(bob)
    serve("cpu")
    finish(cards.rendering.pop())
    cards.take()
    assert cards.order == [alice, bob]


def test_the_last_clips_of_the_user_who_came_later_do_not_come_after_everything_else(alice, bob):
    cards = Cards()
    submit(alice, 30)
    cards.step()
    submit(bob, 30)
    order = cards.until_empty()
    assert order == [alice, alice, *[bob, alice] * 28, bob, bob]


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_are_shared_out_equally(alice, bob, workers):
    cards = Cards(workers)
    submit(alice, 12)
    serve("cpu")
    cards.take()
    assert cards.order == [alice] * workers, "nobody else waits, so nothing idles"
    submit(bob, 12)
    for _ in range(workers * 6):
        cards.step()
        mine = [held.job.user for held in cards.rendering]
        assert bob in mine or len(cards.order) < workers + 2
    assert abs(cards.order[workers:].count(alice) - cards.order[workers:].count(bob)) <= workers


def test_long_clips_do_not_take_all_workers_from_short_ones(alice, bob):
    """Alice's clips never end here: she has one worker, and Bob has the other for all of his."""
    submit(alice, 4)
    submit(bob, 4)
    serve("cpu")
    taken = []
    while (message := pop("generate")) and len(taken) < 5:
        held = claiming.claim(*message)
        taken.append(held.job.user)
        if held.job.user == bob:
            claims.finish(held, {})
            Job.objects.filter(pk=held.job.pk).update(waits_in="")
            services.cancel(Job.objects.get(pk=held.job.pk))
    assert sorted(map(str, taken)) == sorted(map(str, [alice] + [bob] * 4))


def test_a_users_own_clips_keep_their_order(alice, bob):
    jobs = [*submit(alice, 3), *submit(bob, 2)]
    Cards().until_empty()
    started = Job.objects.filter(user=alice).order_by("started_at").values_list("pk", flat=True)
    assert list(started) == [job.pk for job in jobs[:3]]


def test_a_clip_is_running_once_it_is_generated_and_not_when_it_is_checked(alice):
    (job,) = submit(alice)
    serve("cpu")
    job.refresh_from_db()
    assert (job.status, job.started_at, job.waits_in) == (Status.QUEUED, None, "generate")
    claiming.claim(*pop("generate"))
    job.refresh_from_db()
    assert (job.status, job.waits_in) == (Status.RUNNING, "")
    assert job.started_at is not None


def test_cancelling_what_waits_cancels_all_that_nobody_renders(alice, monkeypatch):
    """Of 979 waiting clips it used to cancel 129: a clip that had been checked counted as running."""
    discarded = []
    monkeypatch.setattr("generation.queue.canvas.send_discard", discarded.append)
    submit(alice, 5)
    serve("cpu")
    held = claiming.claim(*pop("generate"))
    submit(alice, 2)
    assert services.cancel_waiting(alice) == 6
    assert list(Job.objects.exclude(status=Status.CANCELLED)) == [held.job]
    assert claims.is_held(held)
    assert discarded == [], "a clip that was only checked has no frames"
    assert not StageRun.objects.filter(job__status=Status.CANCELLED, status=RunStatus.DONE).exists()
    serve("cpu")
    while message := pop("generate"):
        assert claiming.claim(*message) is None


def test_every_message_serves_somebody_and_one_too_many_serves_nobody(alice, bob):
    submit(alice, 2)
    submit(bob, 1)
    serve("cpu")
    first = pop("generate")
    held = [claiming.claim(*first), *(claiming.claim(*pop("generate")) for _ in range(2))]
    assert {claim.job.user for claim in held} == {alice, bob}
    assert len({claim.job_id for claim in held}) == 3
    assert pop("generate") is None
    assert claiming.claim(*first) is None, "delivered twice"


def test_two_workers_at_once_take_two_clips(alice, bob, monkeypatch):
    submit(alice, 1)
    submit(bob, 1)
    serve("cpu")
    one, other = pop("generate"), pop("generate")
    taken = turns.next_job("generate", one[1:3])
    claims.claim(taken.pk, taken.run, Stage.GENERATE, 0, "quicker")
    choose, answers = turns.next_job, [taken]
    monkeypatch.setattr(turns, "next_job", lambda *about: answers.pop() if answers else choose(*about))
    held = claiming.claim(*other)
    assert held is not None
    assert held.job_id != taken.pk


def test_a_message_of_the_version_before_serves_its_own_clip(alice, bob):
    """Its clip has not entered the line, so no other message would ever serve it."""
    submit(bob, 1)
    serve("cpu")
    job = JobFactory(user=alice, status=Status.RUNNING, started_at=timezone.now())
    held = claiming.claim(Stage.GENERATE, job.pk, job.run, 0)
    assert held.job == job
    assert claiming.claim(Stage.GENERATE, job.pk, job.run, 0).job.user == bob, "delivered twice, it is a ticket"


def test_later_steps_of_a_first_clip_overtake_what_another_user_had_generated_before(alice, bob):
    submit(alice, 4)
    cards = Cards()
    for _ in range(4):
        cards.step()
    submit(bob, 1)
    cards.step()
    served = []
    while message := pop(*with_classes("upscale")):
        served.append(Job.objects.get(pk=message[1]).user)
    assert served == [alice, bob, alice, alice, alice]


def test_a_retried_clip_is_the_last_of_its_user(alice):
    jobs = submit(alice, 3)
    services.cancel(jobs[0])
    services.retry(jobs[0])
    Cards().until_empty()
    started = Job.objects.order_by("started_at").values_list("pk", flat=True)
    assert list(started) == [jobs[1].pk, jobs[2].pk, jobs[0].pk]


def test_a_clip_that_lost_its_worker_is_the_first_of_its_user_again(alice):
    jobs = submit(alice, 3)
    serve("cpu")
    held = claiming.claim(*pop("generate"))
    claims.lose(held.job_id, held.run, Stage.GENERATE, 0)
    again = claiming.claim(*pop("generate"))
    assert (again.job_id, again.run) == (jobs[0].pk, 2)


def test_when_a_child_dies_the_clip_that_it_rendered_is_lost_and_not_the_one_of_its_message(alice, bob):
    submit(alice, 1)
    submit(bob, 1)
    serve("cpu")
    one = claiming.claim(*pop("generate"))
    StageRun.objects.filter(pk=one.pk).update(worker="card@host:17")
    other = claiming.claim(*pop("generate"))
    StageRun.objects.filter(pk=other.pk).update(worker="card@host:18")
    third = StageRun.objects.filter(stage=Stage.PREPROCESS).first()
    (dead,) = claims.held_by_dead("card@host", [18], Stage.GENERATE)
    watchdog.bury(dead, None)
    assert [StageRun.objects.get(pk=run.pk).status for run in (one, other, third)] == [
        RunStatus.LOST, RunStatus.RUNNING, RunStatus.DONE,
    ]  # fmt: skip
