"""Pausing all rendering: what waits stays in the queue, what was at work goes back to its place, and both go on."""

import pytest
from django.core.management import call_command

from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, RenderingPause, StageRun
from generation.queue import broker, claims, recovery, services, units
from generation.queue.claims import Order
from generation.queue.pausing import services as pausing
from generation.queue.pausing import state
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


def checked(user, **facts):
    """Return a job that waits for its turn to be generated."""
    job = JobFactory(user=user, **facts)
    held = claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "cpu@here:1")
    claims.finish(held, {})
    services.send([job.pk])
    job.refresh_from_db()
    assert job.waits_in
    return job


def claimed(job, stage=Stage.GENERATE, chunk=0):
    return claims.claim(job.pk, Job.objects.get(pk=job.pk).run, stage, chunk, "gpu@here:1")


def done(job, stage, chunk=0):
    claims.finish(claimed(job, stage, chunk), {})


def messages(stage=None):
    return [message for message in broker.standing() if stage in (None, message.stage)]


def test_pausing_and_resuming_twice_changes_nothing_more(db):
    assert not state.is_on()
    assert pausing.pause()
    since = RenderingPause.objects.get().since
    assert not pausing.pause()
    assert RenderingPause.objects.get().since == since
    assert state.is_on()
    assert pausing.resume()
    assert not pausing.resume()
    assert not state.is_on()


def test_the_commands_say_what_they_did(db, capsys):
    call_command("pause")
    call_command("pause")
    call_command("resume")
    call_command("resume")
    said = capsys.readouterr().out.splitlines()
    assert [line.split(".")[0] for line in said] == [
        "Rendering is paused",
        "Rendering was already paused",
        "Rendering resumed",
        "Rendering was not paused, so nothing changed",
    ]
    assert "manage.py resume" in said[0]


def test_only_stages_with_a_model_are_told_to_pause(user):
    job = JobFactory(user=user)
    checking = claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "cpu@here:1")
    other = checked(user)
    generating = claimed(other)
    assert claims.order(generating) is Order.GO_ON
    pausing.pause()
    assert claims.order(checking) is Order.GO_ON
    assert claims.order(generating) is Order.PAUSE
    services.cancel(other)
    assert claims.order(generating) is Order.STOP


def test_a_stage_that_is_put_back_counts_as_no_attempt_and_keeps_its_place(user):
    job = checked(user)
    queued_at = job.queued_at
    for _time in range(5):  # more often than a stage may be lost
        held = claimed(job)
        pausing.pause()
        broker.connection().flushall()
        assert pausing.put_back(held)
        job.refresh_from_db()
        assert (job.status, job.queued_at) == (Status.QUEUED, queued_at)
        assert messages() == [], "nobody may take it yet"
        pausing.resume()
    assert set(job.stage_runs.filter(stage=Stage.GENERATE).values_list("status", flat=True)) == {RunStatus.CANCELLED}
    assert [message.stage for message in messages()] == [Stage.GENERATE]


def test_what_was_cancelled_meanwhile_is_not_put_back(user):
    held = claimed(checked(user))
    pausing.pause()
    services.cancel(held.job)
    assert not pausing.put_back(held)
    assert Job.objects.get().status == Status.CANCELLED


def test_a_stage_put_back_after_the_pause_is_over_is_sent(user):
    """Whoever resumed has looked already, and saw it at work."""
    held = claimed(checked(user))
    pausing.pause()
    pausing.resume()
    broker.connection().flushall()
    pausing.put_back(held)
    assert [message.stage for message in messages()] == [Stage.GENERATE]


def test_tickets_that_were_dropped_are_sent_again(user, other_user):
    mine, other = checked(user), checked(other_user)
    pausing.pause()
    broker.connection().flushall()
    pausing.set_aside(Stage.GENERATE, mine.pk, mine.run)
    assert messages() == []
    pausing.resume()
    assert {message.job for message in messages(Stage.GENERATE)} == {str(mine.pk), str(other.pk)}


def test_a_chunk_that_was_dropped_makes_its_canvas_void_and_the_rest_is_sent_again(user):
    job = checked(user)
    done(job, Stage.GENERATE)
    chunks = job.render_plan.chunks
    assert len(chunks) > 1, "a job of several chunks is needed"
    done(job, Stage.INTERPOLATE, 0)
    job.refresh_from_db()
    run = job.run
    pausing.pause()
    broker.connection().flushall()
    pausing.set_aside(Stage.INTERPOLATE, job.pk, run)
    pausing.set_aside(Stage.INTERPOLATE, job.pk, run)  # of another chunk
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, run + 1)
    assert messages() == []
    pausing.resume()
    job.refresh_from_db()
    sent = messages()
    assert {message.run for message in sent} == {job.run}
    assert units.done(job) >= {(Stage.GENERATE, 0), (Stage.INTERPOLATE, 0)}
    assert Stage.GENERATE not in {message.stage for message in sent}


def test_clips_can_be_started_during_a_pause_and_begin_after_it(user):
    pausing.pause()
    job = checked(user)
    broker.connection().flushall()
    assert not StageRun.objects.filter(stage=Stage.GENERATE).exists()
    pausing.resume()
    assert [message.job for message in messages(Stage.GENERATE)] == [str(job.pk)]


def test_the_sweep_sends_nothing_during_a_pause_and_whatever_was_missed_after_it(user, monkeypatch):
    monkeypatch.setattr(recovery, "GRACE_SECONDS", -1)
    job = checked(user)
    pausing.pause()
    broker.connection().flushall()
    recovery.requeue_lost()
    assert messages() == []
    RenderingPause.objects.all().delete()  # as if the broker had been down while `resume` sent
    recovery.requeue_lost()
    assert [message.job for message in messages()] == [str(job.pk)]


def test_all_pages_learn_of_it(user):
    job = checked(user)
    before = Job.objects.get(pk=job.pk).version
    pausing.pause()
    assert Job.objects.get(pk=job.pk).version == before + 1
    pausing.resume()
    assert Job.objects.get(pk=job.pk).version == before + 2
