"""These tests tell what is missing when a rendering stage is added. The recipe: docs/developing.md."""

from contextlib import suppress
from pathlib import Path

import pytest
from celery.exceptions import Ignore
from django.urls import reverse
from django.utils.translation import override

from auravideo.celery import app
from auravideo.server import crew, processes
from generation.domain.stages import LAST, QUEUES, STAGES, task_of
from generation.domain.states import Stage
from generation.models import StageRun
from generation.queue import broker, estimates, placement
from generation.queue.monitoring import health
from tests.factories import JobFactory, a_request
from workers import stages as work
from workers import tasks

ROOT = Path(__file__).resolve().parents[2]


def test_every_stage_has_a_row_in_the_table_and_stands_in_its_order():
    assert list(STAGES) == list(Stage), "generation/domain/stages.py and Stage in states.py list different stages"


def test_the_stages_around_the_chunks_are_done_once():
    """The first stage plans and the last one assembles the whole clip."""
    assert not next(iter(STAGES.values())).per_chunk
    assert not STAGES[LAST].per_chunk


@pytest.mark.parametrize("stage", Stage)
def test_it_has_a_label_of_its_own(stage):
    with override("en"):
        labels = [str(spec.label) for spec in STAGES.values()]
        assert labels.count(str(STAGES[stage].label)) == 1
        assert str(STAGES[stage].label).strip(), f"{stage} has no label in generation/domain/stages.py"


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("size", ["128x128", "512x512"])
def test_its_time_is_estimated(stage, size, db):
    job = JobFactory.build(user=None, request=a_request(size=size))
    assert STAGES[stage].first_rate > 0, f"{stage} has no first rate in generation/domain/stages.py"
    assert estimates.cost(stage, 0, job.render_plan, job.render_request) > 0, f"{stage} costs nothing"
    assert estimates.seconds(stage, 0, job.render_plan, job.render_request) < 60, f"{stage}'s first rate is too high"


@pytest.mark.parametrize("stage", Stage)
def test_loading_its_model_is_estimated(stage, db):
    has_model = bool(placement.engine_of(stage, JobFactory.build(user=None).render_request))
    assert has_model == (STAGES[stage].first_load > 0), f"{stage} needs a first_load, or has no model"


@pytest.mark.parametrize("stage", Stage)
def test_its_column_can_hold_its_name(stage):
    assert len(stage) <= StageRun._meta.get_field("stage").max_length, f"the name {stage} is too long for StageRun"


@pytest.mark.parametrize("stage", Stage)
def test_a_worker_can_do_it(stage):
    app.loader.import_default_modules()
    assert hasattr(work, stage), f"workers/stages.py has no function {stage}"
    assert hasattr(tasks, stage), f"workers/tasks.py has no task {stage}"
    assert task_of(stage) in app.tasks, f"the task in workers/tasks.py is not named {task_of(stage)}"


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.django_db(transaction=True)
def test_its_task_claims_this_very_stage(user, stage):
    job = JobFactory(user=user, request={**a_request(), "model": "gone"}, plan=JobFactory.build(user=None).plan)
    with suppress(Ignore):  # fails for lack of a model or of frames
        app.tasks[task_of(stage)](str(job.pk), 1, 0)
    assert [run.stage for run in StageRun.objects.all()] == [stage]


@pytest.mark.parametrize("stage", Stage)
def test_its_messages_go_to_a_queue_that_somebody_reads(stage):
    queue = STAGES[stage].queue
    routed = app.amqp.router.route({}, task_of(stage))["queue"].name
    assert routed == queue, f"{task_of(stage)} is routed to {routed}, not to {queue}"
    (worker,) = [worker for worker in crew.parse("") if worker.queue == queue]
    assert queue in processes.worker(worker, "here").command, f"manage.py serve starts no worker for the queue {queue}"


def test_the_overview_counts_every_queue():
    assert set(broker.depths()) == set(QUEUES)
    assert [queue.name for queue in health.queues()] == list(QUEUES)


@pytest.mark.parametrize("language", ["en", "pl"])
def test_the_help_page_explains_every_stage_that_has_words_for_it(client, db, language):
    page = client.get(reverse("help"), headers={"Accept-Language": language}).content.decode()
    with override(language):
        for stage, spec in STAGES.items():
            assert str(spec.about) in page, f"the help page does not explain {stage}"


@pytest.mark.parametrize("queue", QUEUES)
def test_the_architecture_names_every_queue(queue):
    assert f"queue {queue}" in (ROOT / "docs" / "architecture.md").read_text(), f"docs/architecture.md: queue {queue}"
