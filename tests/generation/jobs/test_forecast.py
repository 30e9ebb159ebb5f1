"""When clips will be ready: what waits says when, and nothing that waits says that it is being generated."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.domain.stages import STAGES
from generation.domain.states import Stage, Status
from generation.jobs import forecast, selectors
from generation.models import Job, StageRun
from generation.queue import claims, estimates, placement
from tests.factories import JobFactory, UserFactory, WorkerFactory, a_request

pytestmark = pytest.mark.django_db

RATE = 4.0  # seconds that a clip is generated for
SHORT = {"seconds": 1, "fps": 8}


@pytest.fixture(autouse=True)
def _history(monkeypatch):
    """Let every clip take four seconds to generate, and one for each other stage."""
    monkeypatch.setattr(estimates, "usual", lambda stage, model: _rate(stage))
    monkeypatch.setattr(estimates, "seconds", lambda stage, chunk, plan, request: _seconds(stage))
    monkeypatch.setattr(estimates, "cost", lambda stage, chunk, plan, request: 1.0)


def _seconds(stage):
    return {Stage.PREPROCESS: 0.0, Stage.GENERATE: RATE}.get(stage, 1.0)


_rate = _seconds


@pytest.fixture
def workers():
    """Return a function that makes warm workers of `generate`, and one for everything else."""

    def make(count=1, **options):
        request = JobFactory.build(user=None).render_request
        stages = (Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE)
        warm = [placement.engine_of(stage, request) for stage in stages]
        for queue in {spec.queue for spec in STAGES.values()}:
            for _ in range(count if queue == "generate" else 1):
                WorkerFactory(queues=[queue], warm=warm, **options)

    return make


def queue(user, count=1, **options):
    now = timezone.now()
    earlier = Job.objects.filter(user=user).count()
    return [
        JobFactory(
            user=user, request=a_request(**SHORT), queued_at=now + timedelta(microseconds=earlier + n), **options
        )
        for n in range(count)
    ]


def progress(user):
    jobs = selectors.place_all(selectors.jobs_of(user).order_by("queued_at"))
    return [selectors.progress_of(job) for job in jobs]


def generate(job, done=0):
    if preprocess := claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "worker"):
        claims.finish(preprocess, {})
    held = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    if done:
        claims.beat(held, done, 8)
    return held


def test_six_clips_are_ready_one_after_the_other(user, workers):
    workers()
    queue(user, 6)
    assert [found.eta_seconds for found in progress(user)] == [6, 10, 14, 18, 22, 26]
    assert all(found.is_scheduled for found in progress(user))


def test_two_workers_halve_the_wait(user, workers):
    workers(2)
    queue(user, 4)
    assert [found.eta_seconds for found in progress(user)] == [6, 7, 10, 11], "one upscales"


def test_a_worker_of_all_queues_is_one_worker_and_not_one_of_each(user):
    request = JobFactory.build(user=None).render_request
    warm = [placement.engine_of(stage, request) for stage in (Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE)]
    WorkerFactory(queues=sorted({spec.queue for spec in STAGES.values()}), warm=warm)
    queue(user, 3)
    assert [found.eta_seconds for found in progress(user)] == [6, 12, 18]


def test_what_is_left_of_the_clip_that_is_generated_counts(user, workers):
    workers()
    first, _second = queue(user, 2)
    generate(first, done=4)
    assert [found.eta_seconds for found in progress(user)] == [4, 8]


def test_only_the_clip_with_a_step_says_that_it_is_generated(user, workers):
    workers(device="NVIDIA H200")
    jobs = queue(user, 3)
    waits = "Waiting for the graphics card"
    assert [found.stage_label for found in progress(user)] == [waits] * 3
    held = generate(jobs[0])
    assert [found.stage_label for found in progress(user)] == [waits] * 3, "nothing has been drawn yet"
    claims.beat(held, 1, 8)
    assert [found.stage_label for found in progress(user)] == ["Generating", waits, waits]


def test_a_site_without_a_card_does_not_speak_of_one(user, workers):
    workers()
    queue(user)
    assert progress(user)[0].stage_label == "Waiting for the processor"


def test_without_workers_a_clip_waits_for_nobody_knows_how_long(user):
    queue(user, 2)
    found = progress(user)[1]
    assert (found.stage_label, found.is_scheduled, found.eta_seconds) == ("Waiting", False, 6)


def test_turns_between_people_count(workers):
    workers()
    alice, bob = UserFactory(), UserFactory()
    queue(alice, 4)
    queue(bob, 1)
    assert progress(bob)[0].eta_seconds == 10
    assert [found.eta_seconds for found in progress(alice)] == [6, 14, 18, 22]


def test_a_clip_between_two_steps_waits_for_those_before_it(user, workers):
    workers()
    first, second = queue(user, 2)
    for job in (first, second):
        claims.finish(generate(job), {})
    claims.claim(first.pk, first.run, Stage.UPSCALE, 0, "worker")
    waiting = progress(user)[1]
    assert waiting.eta_seconds == 3
    assert waiting.stage_label == "Upscaling", "a moment between two steps is no wait"


def test_a_long_queue_is_simulated_in_part(user, workers, monkeypatch):
    workers()
    monkeypatch.setattr(forecast, "MOST", 10)
    queue(user, 30)
    last = progress(user)[-1]
    assert last.eta_seconds == pytest.approx(6 + 29 * RATE, rel=0.2)


def test_the_create_page_says_when_the_clip_would_be_ready(signed_in, user, workers):
    workers()
    queue(user, 5)
    page = signed_in.get(reverse("generation:create"))
    found = page.context["summary"].queue
    assert found.jobs == 5
    assert found.seconds == pytest.approx(20)
    assert found.ready > 24
    assert "Ready in about" in page.text


def test_the_job_page_says_when_it_will_be_ready(signed_in, user, workers):
    workers()
    job = queue(user, 3)[-1]
    text = signed_in.get(reverse("generation:job", args=[job.pk])).text
    for part in ("Waiting for the processor", "Place 3 in the queue", "ready in about 14 s"):
        assert part in text


def test_a_forecast_is_read_once_a_second(user, workers, monkeypatch, django_assert_num_queries):
    workers()
    jobs = queue(user, 3)
    monkeypatch.setattr(forecast, "_FRESH_SECONDS", 60)
    forecast.present(jobs)
    with django_assert_num_queries(0):
        forecast.present(jobs)
    (new,) = queue(user, 1)
    assert forecast.present([new]).knows(new)


@pytest.mark.parametrize("request_", [{**a_request(), "model": "sd-9000"}, {"prompt": "by hand"}, {}])
def test_a_clip_that_cannot_be_rendered_takes_no_time(user, workers, request_):
    workers()
    queue(user, 1)
    JobFactory(user=user, plan=None, request=request_, status=Status.QUEUED)
    assert progress(user)[0].eta_seconds == 6
    assert not StageRun.objects.exists()


def test_what_another_thread_forgets_meanwhile_is_not_missed(user, workers, monkeypatch):
    """The costs of jobs seen lately are shared by all threads of a process, and are forgotten all at once."""

    class Forgetful(dict):
        def __contains__(self, key):
            found = super().__contains__(key)
            self.clear()
            return found

    workers()
    (job,) = queue(user)
    monkeypatch.setattr(forecast, "_costs", Forgetful())
    forecast.forget()
    forecast.present()
    forecast.forget()
    assert forecast.present().of(job, 1) is not None
