"""Progress and queue position: progress rises monotonically from 0 to 100% within a run; the position is fair."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.domain.stages import STAGES
from generation.domain.states import Stage, Status
from generation.jobs import selectors
from generation.models import Job, StageRun
from generation.queue import claims, estimates, placement, roster, services
from generation.queue.loading import ahead, times
from generation.queue.loading.ahead import State
from tests.factories import JobFactory, UserFactory, WorkerFactory, a_request

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


@pytest.fixture
def no_redis(settings, tmp_path):
    """Let nobody answer where Redis should be."""
    settings.REDIS_BROKER_URL = f"unix://{tmp_path}/nobody"


def test_while_redis_is_away_a_clip_promises_nothing_and_says_why(user, no_redis):
    job = JobFactory(user=user)
    state = progress(job)
    assert state.held_up == "A part of this site does not answer. The clip continues by itself as soon as it does."
    assert state.eta_seconds is None


def test_a_clip_that_says_so_already_does_not_say_it_twice(user, no_redis):
    job = JobFactory(user=user, warnings=[{"id": "service-waiting"}])
    assert progress(job).held_up == ""


def test_a_clip_at_its_last_step_needs_nobody_to_hand_it_on(user, no_redis):
    job = JobFactory(user=user)
    for stage, chunk in job.render_plan.units:
        held = claims.claim(job.pk, job.run, stage, chunk, "worker")
        if stage is not Stage.ASSEMBLE:
            claims.finish(held, {})
    assert progress(job).held_up == ""
    assert progress(job).eta_seconds is not None


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


def test_the_places_and_times_of_a_list_cost_two_queries(user, other_user, django_assert_num_queries):
    for person in (user, other_user):
        JobFactory.create_batch(5, user=person)
    jobs = list(selectors.jobs_of(user))
    selectors.place_all(jobs)  # learns the rates of this machine
    with django_assert_num_queries(2):
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


# --- Loading models ---------------------------------------------------------------------------------------------------

BOOT = "b5e0"


@pytest.fixture
def cold():
    """Have a worker for every stage; none holds a model. Return the one that generates."""
    queues = ("cpu", "interpolate", "upscale", "generate")
    return [WorkerFactory(name=f"{queue}@host", queues=[queue], boot=BOOT) for queue in queues][-1]


def history(stage, seconds):
    """Let a worker have loaded the model of a stage, since its machine was started."""
    for _from_disk_then_memory in range(2):
        times.record(placement.engine_of(stage, JobFactory.build(user=None).render_request), seconds, BOOT)


def loading(job, ago):
    """Let a worker load the model of the generating stage, since some seconds ago."""
    held = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    claims.begin_loading(held)
    StageRun.objects.filter(pk=held.pk).update(started_at=timezone.now() - timedelta(seconds=ago))
    return held


def test_loading_is_a_step_with_a_name_of_its_own(user, cold):
    job = JobFactory(user=user)
    claims.finish(claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "worker"), {})
    held = loading(job, ago=2)
    assert progress(job).stage_label == "Loading the model"
    claims.end_loading(held, 2.5)
    assert progress(job).stage_label == "Generating"
    held.refresh_from_db()
    assert (held.is_loading, held.load_seconds) == (False, 2.5)


def test_pages_accept_the_state_with_the_loading_although_its_progress_may_be_lower(user, cold):
    job = JobFactory(user=user)
    held = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    before = selectors.jobs_of(user).get().version
    claims.begin_loading(held)
    assert selectors.jobs_of(user).get().version == before + 1


def test_the_time_left_counts_the_models_that_nobody_holds(user):
    job = JobFactory(user=user)
    history(Stage.GENERATE, 40)
    nobody_there = progress(job).eta_seconds  # without a worker, nothing is known
    assert nobody_there < 40
    worker = WorkerFactory(boot=BOOT)
    roster._capacity.cache_clear()
    assert progress(job).eta_seconds == pytest.approx(nobody_there + 40, abs=1)
    roster.report_warm(worker.name, [placement.engine_of(Stage.GENERATE, job.render_request)])
    roster._capacity.cache_clear()
    assert progress(job).eta_seconds == pytest.approx(nobody_there, abs=1)


def test_the_time_left_falls_while_a_model_loads_and_never_promises_its_end(user):
    history(Stage.GENERATE, 40)
    job = JobFactory(user=user)
    held = loading(job, ago=0)
    seen = []
    for ago in (0, 10, 39, 60, 100):
        StageRun.objects.filter(pk=held.pk).update(started_at=timezone.now() - timedelta(seconds=ago))
        seen.append(progress(job).eta_seconds)
    rest = seen[0] - 40
    assert seen == pytest.approx([rest + left for left in (40, 30, 20, 30, 50)], abs=1)


def test_progress_rises_through_the_loading_of_every_model(user, cold):
    job, seen = JobFactory(user=user), []
    for stage, chunk in job.render_plan.units:
        held = claims.claim(job.pk, job.run, stage, chunk, "worker")
        if STAGES[stage].first_load and chunk == 0:
            claims.begin_loading(held)
            for ago in (0, 1, 4, 30):
                StageRun.objects.filter(pk=held.pk).update(started_at=timezone.now() - timedelta(seconds=ago))
                seen.append(progress(job).permille)
            claims.end_loading(held, 30)
        seen.append(progress(job).permille)
        if stage is not Stage.ASSEMBLE:
            claims.finish(held, {})
    assert seen == sorted(seen)
    assert len(set(seen)) > 10


def test_a_load_that_took_long_does_not_slow_the_rate(user):
    job = JobFactory(user=user, status=Status.DONE)
    now, cost = timezone.now(), estimates.cost(Stage.GENERATE, 0, job.render_plan, job.render_request)
    StageRun.objects.create(
        job=job, run=1, stage=Stage.GENERATE, status="done", worker="w", cost=cost, load_seconds=40,
        started_at=now - timedelta(seconds=50), heartbeat_at=now, ended_at=now,
    )  # fmt: skip
    assert estimates.learn(Stage.GENERATE, "tiny").rate * cost == pytest.approx(10)


def test_who_creates_a_clip_is_told_that_models_have_to_be_loaded_first(signed_in, cold, user):
    history(Stage.GENERATE, 40)
    page = signed_in.get(reverse("generation:create"))
    summary = page.context["summary"]
    assert summary.loading == pytest.approx(40 + sum(map(first_load, (Stage.INTERPOLATE, Stage.UPSCALE))))
    assert "Its models have to be loaded first" in page.text


AHEAD = (Stage.INTERPOLATE, Stage.UPSCALE)


def note(job, stage, state):
    ahead.note(stage, placement.engine_of(stage, job.render_request), state)


@pytest.mark.parametrize("state", [State.ASKED, State.LOADING])
def test_what_is_loaded_ahead_does_not_add_to_the_time_left(user, cold, state):
    job = JobFactory(user=user)
    alone = progress(job).eta_seconds
    for stage in AHEAD:
        note(job, stage, state)
    assert progress(job).eta_seconds == pytest.approx(alone, abs=1), "which took for granted that they will be"
    claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    assert progress(job).eta_seconds == pytest.approx(alone, abs=1)


def test_only_what_is_left_of_it_after_the_earlier_stages_counts(user, cold):
    job = JobFactory(user=user)
    for stage in (Stage.PREPROCESS, Stage.GENERATE):
        claims.finish(claims.claim(job.pk, job.run, stage, 0, "worker"), {})
    note(job, Stage.UPSCALE, State.READY)
    note(job, Stage.INTERPOLATE, State.READY)
    warm = progress(job).eta_seconds
    note(job, Stage.INTERPOLATE, State.LOADING)
    found = progress(job)
    assert found.eta_seconds == pytest.approx(warm + first_load(Stage.INTERPOLATE), abs=1)
    assert found.stage_label == "Loading the model"


def test_what_could_not_be_loaded_ahead_is_loaded_by_its_stage(user, cold):
    job = JobFactory(user=user)
    alone = progress(job).eta_seconds
    for stage in AHEAD:
        note(job, stage, State.FAILED)
    assert progress(job).eta_seconds == alone


def first_load(stage):
    return STAGES[stage].first_load
