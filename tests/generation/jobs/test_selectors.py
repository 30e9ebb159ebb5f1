"""Progress and queue position: progress rises monotonically from 0 to 100% within a run; the position is fair."""

from datetime import timedelta

import pytest
from django.utils import timezone

from generation.domain.states import Stage, Status
from generation.jobs import selectors
from generation.models import Job, StageRun
from generation.queue import claims, estimates, services
from tests.factories import JobFactory, UserFactory, a_request

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch):
    """Keep cached rates from expiring mid-test: new rates would shift the stages' weights."""
    monkeypatch.setattr(estimates, "_FRESH_SECONDS", 10**9)


def progress(job):
    return selectors.progress_of(selectors.jobs_of(job.user).get(pk=job.pk))


def walk(job):
    """Yield the progress after each step: every unit of the plan claimed, half done, done."""
    for stage, chunk in job.render_plan.units:
        held = claims.claim(job.pk, job.run, stage, chunk, "worker")
        yield progress(job)
        claims.beat(held, 1, 2)
        yield progress(job)
        if stage is not Stage.ASSEMBLE:
            claims.finish(held, {})
            yield progress(job)


def test_progress_rises_from_zero_and_never_falls(user):
    job = JobFactory(user=user)
    seen = [progress(job).permille, *(state.permille for state in walk(job))]
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 8
    assert seen[-1] < 1000


def test_a_done_job_is_done_in_every_stage(user):
    job = JobFactory(user=user, status=Status.DONE)
    state = progress(job)
    assert state.permille == 1000
    assert {stage.state for stage in state.stages} == {"done"}
    assert state.eta_seconds is None


def test_only_the_stages_that_the_plan_needs_are_shown(user):
    job = JobFactory(user=user, request=a_request(fps=8))
    assert [stage.id for stage in progress(job).stages] == ["preprocess", "generate", "upscale", "assemble"]


def test_work_of_an_older_run_counts_only_where_its_output_is_stored(user):
    job = JobFactory(user=user)
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    claims.beat(claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker"), 1, 2)
    before = progress(job)
    services.requeue(job, 1)
    after = progress(job)
    assert after.permille < before.permille
    assert [stage.state for stage in after.stages[:2]] == ["done", "waiting"]


def test_queue_position_counts_jobs_that_are_served_first():
    alice, bob = UserFactory(), UserFactory()
    now = timezone.now()
    first = [JobFactory(user=alice, queued_at=now + timedelta(seconds=n)) for n in range(3)]
    late = [JobFactory(user=bob, queued_at=now + timedelta(seconds=9 + n)) for n in range(2)]

    def places():
        return [selectors.place_of(Job.objects.get(pk=job.pk)) for job in (*first, *late)]

    assert places() == [1, 3, 5, 2, 4]
    claims.claim(first[0].pk, 1, Stage.GENERATE, 0, "worker")
    assert places() == [None, 2, 4, 1, 3], "the user who was served waits for the other"


def test_the_places_of_a_list_cost_one_query(user, other_user, django_assert_num_queries):
    for person in (user, other_user):
        JobFactory.create_batch(5, user=person)
    jobs = list(selectors.jobs_of(user))
    with django_assert_num_queries(1):
        selectors.place_all(jobs)
    assert sorted(selectors.place_of(job) for job in jobs) == [1, 3, 5, 7, 9]
    assert selectors.place_of(JobFactory(user=other_user)) == 11


def test_time_left_follows_this_machines_own_history(user):
    job = JobFactory(user=user)
    request, plan = job.render_request, job.render_plan
    other = JobFactory(user=user, status=Status.DONE)
    now = timezone.now()
    cost = estimates.cost(Stage.GENERATE, 0, plan, request)
    StageRun.objects.create(
        job=other, run=1, stage=Stage.GENERATE, status="done", worker="w", cost=cost,
        started_at=now - timedelta(seconds=500), heartbeat_at=now, ended_at=now,
    )  # fmt: skip
    assert estimates.seconds(Stage.GENERATE, 0, plan, request) == pytest.approx(500)
    assert progress(job).eta_seconds > 500


def test_pages_read_no_history_once_a_worker_has_recorded_stage_times(user, django_assert_num_queries):
    job = JobFactory(user=user)
    plan, request = job.render_plan, job.render_request
    units = [unit for unit in plan.units if unit[0] is not Stage.ASSEMBLE]
    for stage, chunk in units:
        claims.finish(claims.claim(job.pk, job.run, stage, chunk, "worker"), {})
    run = job.stage_runs.get(stage=Stage.GENERATE)
    took = (run.ended_at - run.started_at).total_seconds()
    with django_assert_num_queries(0):
        assert sum(estimates.seconds(stage, chunk, plan, request) for stage, chunk in units) > 0
        assert estimates.seconds(Stage.GENERATE, 0, plan, request) == pytest.approx(took)


def test_without_redis_the_history_itself_is_read(user, settings):
    job = JobFactory(user=user)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert estimates.seconds(Stage.GENERATE, 0, job.render_plan, job.render_request) > 0


def test_twice_the_steps_cost_twice_the_work(user):
    job = JobFactory(user=user)
    plan, request = job.render_plan, job.render_request
    from dataclasses import replace

    double = replace(request, steps=request.steps * 2)
    ratio = estimates.cost(Stage.GENERATE, 0, plan, double) / estimates.cost(Stage.GENERATE, 0, plan, request)
    assert ratio == 2
