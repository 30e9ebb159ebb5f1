"""The life of a job: every transition happens exactly once."""

from dataclasses import replace

import pytest
from django.conf import settings as django_settings

from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker, claims, estimates, services, units
from generation.quotas.refusals import TooManyJobs
from generation.requests import available
from generation.requests.request import InvalidRequest, parse
from tests.factories import JobFactory, a_request

pytestmark = pytest.mark.django_db(transaction=True)


def asked(**changes):
    return parse({"prompt": "a red heart rising over the sea", **changes}, available.catalogue(), available.limits())


def claim(job, stage=Stage.PREPROCESS, chunk=0, run=None):
    return claims.claim(job.pk, run or job.run, stage, chunk, "worker")


def test_submitting_stores_the_request_and_sends_one_message(user):
    job = services.submit(user, asked(seed=7))
    assert (job.status, job.seed, job.render_request) == (Status.QUEUED, 7, asked(seed=7))
    assert broker.standing_messages() == {(str(job.pk), 1)}


def test_without_a_seed_each_job_draws_its_own(user):
    assert services.submit(user, asked()).seed != services.submit(user, asked()).seed


def test_a_persons_later_jobs_stand_behind_another_persons_first(user, other_user):
    mine = [services.submit(user, asked()) for _ in range(12)]
    theirs = services.submit(other_user, asked())
    assert [job.priority for job in mine] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]
    assert theirs.priority == 0


def test_queued_jobs_per_user_are_limited(user, settings):
    settings.MAX_ACTIVE_JOBS = 2
    services.submit(user, asked())
    services.submit(user, asked())
    with pytest.raises(TooManyJobs):
        services.submit(user, asked())
    assert Job.objects.count() == 2


def test_a_job_is_not_lost_if_the_broker_is_down(user, monkeypatch):
    from kombu.exceptions import OperationalError

    def refuse(*_args, **_kwargs):
        raise OperationalError("no connection")

    monkeypatch.setattr("generation.queue.canvas.send", refuse)
    job = services.submit(user, asked())
    assert Job.objects.get().status == Status.QUEUED
    monkeypatch.undo()
    assert services.requeue(job, 1)
    assert broker.standing_messages() == {(str(job.pk), 2)}


def test_the_first_claim_that_renders_starts_the_job_and_raises_its_version(user):
    job = services.submit(user, asked())
    claims.finish(claim(job), {})
    job.refresh_from_db()
    assert (job.status, job.version, job.started_at) == (Status.QUEUED, 1, None), "it was checked and still waits"
    assert claim(job, Stage.GENERATE) is not None
    job.refresh_from_db()
    assert (job.status, job.version) == (Status.RUNNING, 2)
    assert job.started_at is not None


def test_a_message_delivered_twice_is_claimed_once(user):
    job = services.submit(user, asked())
    assert claim(job) is not None
    assert claim(job) is None
    assert StageRun.objects.count() == 1


def test_a_message_of_an_older_run_is_dropped(user):
    job = services.submit(user, asked())
    services.requeue(job, 1)
    assert claim(job, run=1) is None
    assert claim(job, run=2) is not None


@pytest.mark.parametrize("meanwhile", [services.cancel, lambda job: services.requeue(job, job.run)])
@pytest.mark.parametrize("is_running", [False, True])
def test_a_job_that_changes_while_it_is_claimed_is_not_claimed(user, meanwhile, is_running):
    job = JobFactory(user=user)
    if is_running:
        claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "first")
    claimed = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker", lambda read: meanwhile(read) and None)
    assert claimed is None
    assert not job.stage_runs.filter(stage=Stage.GENERATE).exists()


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.ASSEMBLE])
def test_a_stage_that_was_lost_cannot_be_finished_although_its_job_goes_on(user, stage):
    job = JobFactory(user=user)
    held = claims.claim(job.pk, job.run, stage, 0, "worker")
    StageRun.objects.filter(pk=held.pk).update(status=RunStatus.LOST)
    before = Job.objects.get(pk=job.pk)
    assert not claims.finish(held, {})
    after = Job.objects.get(pk=job.pk)
    assert (after.status, after.version, after.touched_at) == (before.status, before.version, before.touched_at)


def test_cancelling_ends_the_job_and_every_claim_on_it(user):
    job = services.submit(user, asked())
    held = claim(job)
    assert services.cancel(job)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert not claims.is_held(held)
    assert not claims.beat(held, 1, 2)
    assert not claims.finish(held, {})
    assert StageRun.objects.get().status == RunStatus.CANCELLED


def test_an_ended_job_stays_as_it_ended(user):
    job = services.submit(user, asked())
    assert services.cancel(job)
    version = Job.objects.get().version
    assert not services.cancel(job)
    assert not services.fail(job, job.run, "internal", {})
    assert not services.requeue(job, job.run)
    assert (Job.objects.get().status, Job.objects.get().version) == (Status.CANCELLED, version)


def test_cancelling_touches_no_other_job(user):
    kept, dropped = services.submit(user, asked()), services.submit(user, asked())
    held = claim(kept)
    services.cancel(dropped)
    assert claims.is_held(held)


def test_a_failure_reads_as_a_sentence_and_names_its_reference(user):
    job = services.submit(user, asked())
    held = claim(job)
    claims.fail(held, "internal", {"reference": "abc123"}, "Traceback ...")
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "abc123" in job.error_text
    assert "Traceback" not in job.error_text
    assert "Traceback" in job.traceback


def test_retrying_a_failed_job_continues_from_the_stage_that_failed(user):
    job = services.submit(user, asked())
    claims.finish(claim(job), {})
    claims.fail(claim(job, Stage.GENERATE), "out-of-memory", {})
    broker.connection().flushall()
    assert services.retry(job)
    job.refresh_from_db()
    assert (job.status, job.run, job.error_text) == (Status.QUEUED, 2, "")
    assert units.done(job) == {(Stage.PREPROCESS, 0)}
    assert broker.standing_messages() == {(str(job.pk), 2)}
    assert claim(job, Stage.GENERATE, run=2) is not None


def test_cancelling_all_that_waits_frees_what_was_stored_and_spares_what_is_rendered(user, other_user, monkeypatch):
    discarded, announced = [], []
    monkeypatch.setattr("generation.queue.canvas.send_discard", discarded.append)
    monkeypatch.setattr("generation.queue.events.publish", lambda user_id, *job_ids: announced.append(job_ids))
    fresh, begun, running, theirs = (JobFactory(user=person) for person in (user, user, user, other_user))
    claims.finish(claim(begun, Stage.GENERATE), {"key": "frames"})
    services.requeue(Job.objects.get(pk=begun.pk), 1)
    claim(running, Stage.GENERATE)
    announced.clear()
    assert services.cancel_waiting(user) == 2
    states = dict(Job.objects.values_list("pk", "status"))
    assert (states[fresh.pk], states[begun.pk]) == (Status.CANCELLED, Status.CANCELLED)
    assert (states[running.pk], states[theirs.pk]) == (Status.RUNNING, Status.QUEUED)
    assert discarded == [begun.pk]
    assert set(begun.stage_runs.values_list("status", flat=True)) == {RunStatus.DISCARDED}
    assert [set(job_ids) for job_ids in announced] == [{fresh.pk, begun.pk}]
    assert services.cancel_waiting(user) == 0


def test_a_worker_cannot_claim_a_bulk_cancelled_job(user):
    job = JobFactory(user=user)
    services.cancel_waiting(user)
    assert claim(job) is None


def test_retrying_a_cancelled_job_starts_over_because_its_frames_are_gone(user):
    job = services.submit(user, asked())
    claims.finish(claim(job), {})
    services.cancel(job)
    assert services.retry(job)
    assert units.done(job) == set()


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.DONE])
def test_only_a_failed_or_cancelled_job_can_be_retried(user, status):
    job = JobFactory(user=user, status=status)
    assert not services.retry(job)
    assert Job.objects.get().run == job.run


def test_a_stage_that_loses_its_worker_is_tried_three_times_then_the_job_fails(user):
    job = services.submit(user, asked())
    for run in (1, 2, 3):
        assert claim(job, run=run) is not None
        assert claims.lose(job.pk, run, Stage.PREPROCESS, 0)
    job.refresh_from_db()
    assert (job.status, job.error_id, job.run) == (Status.FAILED, "worker-lost", 3)
    assert StageRun.objects.filter(status=RunStatus.LOST).count() == 3


def test_a_person_who_retries_gets_three_attempts_again(user):
    job = services.submit(user, asked())
    for run in (1, 2, 3):
        claim(job, run=run)
        claims.lose(job.pk, run, Stage.PREPROCESS, 0)
    services.retry(job)
    claim(job, run=4)
    claims.lose(job.pk, 4, Stage.PREPROCESS, 0)
    job.refresh_from_db()
    assert job.status == Status.QUEUED


def test_handing_a_stage_back_is_no_failed_attempt(user):
    job = services.submit(user, asked())
    for run in range(1, 6):
        assert claims.release(claim(job, run=run))
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, 6)


def test_a_job_whose_model_left_the_catalogue_fails_with_a_sentence(user):
    """The job has no plan, because its model was already gone when the migration added plans to existing jobs."""
    job = JobFactory(user=user, status=Status.FAILED, request={**a_request(), "model": "gone"})
    assert job.plan is None
    services.retry(job)
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "request-invalid")
    assert "no longer in the catalogue" in job.error_text


def test_a_job_without_a_plan_gets_one_when_its_model_is_back(user):
    job = JobFactory(user=user, status=Status.FAILED, plan=None)
    assert services.retry(job)
    job.refresh_from_db()
    assert job.render_plan == available.plan_for(job.render_request)
    assert (str(job.pk), 2) in broker.standing_messages()


def test_a_request_whose_model_left_the_catalogue_is_not_queued(user):
    with pytest.raises(InvalidRequest, match="no longer in the catalogue"):
        services.submit(user, replace(asked(), model="gone"))
    assert not Job.objects.exists()


def test_the_plan_is_frozen_at_submission(user, edited_catalogue):
    job = services.submit(user, asked())
    before = available.plan_for(job.render_request)
    edited_catalogue()
    job.refresh_from_db()
    assert available.plan_for(job.render_request) != before
    assert job.render_plan == before


def test_an_edited_catalogue_cuts_a_running_job_into_no_other_chunks(user, edited_catalogue):
    job = services.submit(user, asked())
    units = list(job.render_plan.units)
    claims.finish(claim(job), {})
    edited_catalogue()
    services.requeue(job, 1)
    job.refresh_from_db()
    assert job.run == 2
    assert list(job.render_plan.units) == units
    for stage, chunk in units[1:]:
        held = claim(job, stage, chunk, run=2)
        assert held.cost == estimates.cost(stage, chunk, job.render_plan, job.render_request)
        claims.beat(held)
    assert claim(job, Stage.GENERATE, run=2) is None


def test_a_retried_job_whose_frames_are_gone_renders_them_again(user):
    job = services.submit(user, asked())
    claims.finish(claim(job), {})
    claims.finish(claim(job, Stage.GENERATE), {})
    claims.fail(claim(job, Stage.INTERPOLATE), "frames-missing", {})
    assert services.retry(job)
    assert units.done(job) == set()


def test_retrying_takes_its_place_behind_the_persons_other_jobs(user):
    job = services.submit(user, asked())
    services.cancel(job)
    for _ in range(3):
        services.submit(user, asked())
    services.retry(job)
    job.refresh_from_db()
    assert job.priority == 3


def test_retrying_respects_the_limit_per_user(user, settings):
    job = services.submit(user, asked())
    services.cancel(job)
    settings.MAX_ACTIVE_JOBS = 1
    services.submit(user, asked())
    with pytest.raises(TooManyJobs):
        services.retry(job)
    assert Job.objects.get(pk=job.pk).status == Status.CANCELLED


def test_a_job_that_the_version_before_queued_gets_its_plan_from_the_first_claim(user):
    """While an update rolls out, its web processes still insert jobs, and they know of no plan."""
    job = services.submit(user, asked())
    Job.objects.update(plan=None)
    held = claim(job)
    assert held is not None
    assert held.job.render_plan == Job.objects.get().render_plan == available.plan_for(job.render_request)


def test_a_claim_on_a_job_without_a_plan_whose_model_is_gone_fails_it(user):
    job = services.submit(user, asked())
    Job.objects.update(plan=None, request={**job.request, "model": "gone"})
    assert claim(job) is None
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "request-invalid")


@pytest.mark.parametrize("plan", [{}, {"version": 999}])
def test_a_claim_on_a_job_without_a_plan_that_can_be_read_fails_it(user, plan):
    job = services.submit(user, asked())
    Job.objects.update(plan=plan)
    assert claim(job) is None
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "request-invalid")


def test_the_catalogue_is_the_one_that_the_settings_name():
    assert django_settings.CATALOGUE_FILE == ""
    assert available.catalogue().default_model.id == "tiny"
