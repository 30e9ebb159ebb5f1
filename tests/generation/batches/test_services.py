"""The rows of a batch: validated before anything is queued, queued once and in order, and resumable."""

import time

import pytest
from django.core.management import call_command

from generation.batches import services as batches
from generation.batches.parsing import read_rows
from generation.batches.services import Feed
from generation.domain.states import Stage, Status
from generation.models import Batch, Job
from generation.queue import broker, claims, services
from tests.factories import BatchFactory, JobFactory

pytestmark = pytest.mark.django_db


def entries_of(text: str, format: str = "text"):
    return batches.check(read_rows(text.encode(), format=format))


def problems_of(text: str, format: str = "csv") -> list[str]:
    return [problem for entry in entries_of(text, format) for problem in entry.problems]


@pytest.fixture
def batch(user):
    return BatchFactory(user=user)


def feed(batch, text="a heart\na star\na cross\n"):
    """Queue as many rows as possible; return the feed and the numbers of the queued rows."""
    made = Feed(batch, entries_of(text))
    return made, [entry.row.number for entry in made.advance()]


def fail(job):
    services.fail(job, job.run, "out-of-memory", {})


# --- Checking ----------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_request_with_the_defaults_of_its_model():
    (entry,) = entries_of("a red heart\n")
    assert (entry.request.prompt, entry.request.fps, entry.request.model) == ("a red heart", 24, "tiny")
    assert entry.problems == []


BAD_CELLS = {
    "prompt": ("", "x" * 10_000, "a\x1bheart"),
    "fps": ("7", "True"),
    "seconds": ("100", "1.5"),
    "guidance": ("NaN", "1e400"),
    "model": ("sd-9000",),
    "format": ("avi",),
    "size": ("255x255",),
    "seed": ("-2",),
}


@pytest.mark.parametrize(
    ("field", "cell"), [(field, cell) for field, cells in BAD_CELLS.items() for cell in cells], ids=lambda it: it[:12]
)
def test_a_bad_cell_is_reported_by_its_line_and_field(field, cell):
    columns = {"prompt": "a heart", "seed": "1", field: cell}
    text = f"{','.join(columns)}\n{','.join(columns.values())}\n"
    problems = problems_of(text)
    assert problems
    assert all(problem.startswith(f"line 2, {field}: ") for problem in problems)


def test_the_message_of_a_bad_row_reads_like_this():
    text = "# hearts\n" + "\n" * 4 + '{"prompt": "a heart"}\n{"prompt": "a heart", "fps": 7}\n'
    assert problems_of(text.replace("# hearts", ""), "jsonl") == [
        "line 7, fps: This must be one of: 8, 16, 24, 25, 30, 32."
    ]


def test_a_row_that_could_not_be_read_is_reported_by_its_line_alone():
    assert problems_of("prompt,fps\na heart,8,9\n") == ["line 2: This row has 3 cells, but the header has 2."]


def test_what_a_message_repeats_of_a_file_cannot_move_the_cursor():
    (problem,) = problems_of('{"prompt": "a heart", "\\u001b[2J\\ud800": 1}', "jsonl")
    assert problem.startswith("line 1, \\x1b[2J\\ud800: There is no such field.")


def test_a_model_that_is_not_on_this_machine_is_reported_with_the_command_that_fetches_it():
    problems = problems_of("prompt,model,size\na heart,epicrealism,512x512\na star,tiny,256x256\n")
    assert problems[0].startswith("line 2, model: The model ")
    assert problems[0].endswith("python manage.py fetch_models epicrealism")
    assert all(problem.startswith("line 2, ") for problem in problems)


# --- One batch per file and user -----------------------------------------------------------------------------------


def test_the_same_rows_of_the_same_person_are_the_same_batch(user, other_user):
    rows, other_rows = read_rows(b"a heart\n"), read_rows(b"a star\n")
    batch, is_new = batches.open_batch(user, "hearts.txt", rows)
    assert is_new
    assert batches.open_batch(user, "copy.txt", rows) == (batch, False)
    assert batches.open_batch(other_user, "hearts.txt", rows)[1]
    assert batches.open_batch(user, "hearts.txt", other_rows)[1]
    assert Batch.objects.count() == 3


def test_any_file_name_can_be_kept(user):
    batch, _is_new = batches.open_batch(user, "\udc80\n" + "x" * 500, read_rows(b"a heart\n"))
    assert batch.name.startswith("\\udc80\\nxxx")
    assert len(batch.name) == 200


# --- Queueing ----------------------------------------------------------------------------------------------------


def test_rows_are_queued_in_their_order(batch):
    made, numbers = feed(batch)
    assert numbers == [1, 2, 3]
    jobs = list(batch.jobs.order_by("queued_at"))
    assert [(job.row, job.request["prompt"]) for job in jobs] == [(1, "a heart"), (2, "a star"), (3, "a cross")]
    assert {job.user for job in jobs} == {batch.user}
    assert (made.queued, made.sent, len(made)) == (3, 3, 0)


def test_rows_that_are_wrong_are_left_out_and_keep_their_number(batch):
    made = Feed(batch, entries_of("prompt,fps\na heart,8\na star,7\na cross,16\n", "csv"))
    assert len(list(made.advance())) == 2
    assert list(batch.jobs.order_by("row").values_list("row", flat=True)) == [1, 3]


def test_a_second_time_nothing_is_queued_again(batch):
    feed(batch)
    made, numbers = feed(batch)
    assert numbers == [1, 2, 3]
    assert (made.queued, made.retried, made.known) == (0, 0, 3)
    assert Job.objects.count() == 3


def test_what_failed_or_was_cancelled_is_tried_again_and_what_is_done_is_not(batch):
    feed(batch, "a heart\na star\na cross\na circle\n")
    done, failed, cancelled, _active = batch.jobs.order_by("row")
    Job.objects.filter(pk=done.pk).update(status=Status.DONE)
    fail(failed)
    services.cancel(cancelled)
    made, numbers = feed(batch, "a heart\na star\na cross\na circle\n")
    assert (made.queued, made.retried, made.known) == (0, 2, 2)
    assert numbers == [2, 3, 4]
    assert list(batch.jobs.order_by("row").values_list("status", "run")) == [
        ("done", 1),
        ("queued", 2),
        ("queued", 2),
        ("queued", 1),
    ]


def test_a_row_whose_clip_was_deleted_is_rendered_again(batch):
    feed(batch)
    batch.jobs.get(row=2).delete()
    made, _numbers = feed(batch)
    assert (made.queued, made.known) == (1, 2)
    assert set(batches.statuses(batch)) == {1, 2, 3}


def test_a_row_that_another_process_queued_in_the_same_moment_is_there_already(batch, monkeypatch):
    made = Feed(batch, entries_of("a heart\n"))
    submit = services.submit

    def be_slower(user, request, *, within_quotas, **place):
        JobFactory(user=user, **place)
        return submit(user, request, **place)

    monkeypatch.setattr(services, "submit", be_slower)
    assert len(list(made.advance())) == 1
    assert (made.queued, made.known, Job.objects.count()) == (0, 1, 1)


def test_rows_above_the_limit_per_user_are_queued_later(batch, settings):
    settings.MAX_ACTIVE_JOBS = 2
    made, numbers = feed(batch)
    assert numbers == [1, 2]
    assert (len(made), 3 in made, 1 in made) == (1, True, False)
    assert list(made.advance()) == []
    services.cancel(batch.jobs.get(row=1))
    assert [entry.row.number for entry in made.advance()] == [3]
    assert len(made) == 0


def test_the_other_clips_of_the_person_count_too(batch, settings):
    settings.MAX_ACTIVE_JOBS = 1
    JobFactory(user=batch.user)
    assert feed(batch)[1] == []


@pytest.mark.django_db(transaction=True)
def test_every_row_that_is_queued_has_a_message(batch):
    feed(batch)
    assert broker.standing_messages() == {(str(job.pk), 1) for job in batch.jobs.all()}


# --- Workers -----------------------------------------------------------------------------------------------------


def test_only_the_queues_that_the_rows_need_are_asked_for():
    assert batches.queues_of(entries_of("a heart\n")) == {"cpu", "generate", "interpolate", "upscale"}
    assert batches.queues_of(entries_of("prompt,fps\na heart,8\n", "csv")) == {"cpu", "generate", "upscale"}
    assert batches.queues_of(entries_of("prompt,fps\na heart,7\n", "csv")) == set()


def test_without_workers_every_queue_is_silent(monkeypatch):
    monkeypatch.setattr(batches, "ANSWER_SECONDS", (0.1,))
    assert batches.silent_queues({"cpu", "generate"}) == {"cpu", "generate"}
    assert batches.broker_answers()


def test_without_a_broker_every_queue_is_silent_at_once(broken_broker):
    start = time.monotonic()
    assert not batches.broker_answers()
    assert batches.silent_queues({"cpu"}) == {"cpu"}
    assert time.monotonic() - start < 5, "it is not asked again and again"


@pytest.fixture
def broken_broker(settings, tmp_path):
    settings.REDIS_BROKER_URL = f"unix://{tmp_path / 'nobody'}.sock?db=0"
    broker.connection.cache_clear()
    yield
    broker.connection.cache_clear()


def test_a_job_that_ran_counts_for_its_row(batch):
    feed(batch, "a heart\n")
    job = batch.jobs.get()
    assert claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "worker")
    assert batches.statuses(batch) == {1: "queued"}
    assert claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    assert batches.statuses(batch) == {1: "running"}
    assert batches.job_of(batch, 1) == job
    assert batches.job_of(batch, 2) is None


def test_the_command_is_there_and_explains_its_exit_codes(capsys):
    with pytest.raises(SystemExit):
        call_command("batch", "--help")
    assert "exit codes:" in capsys.readouterr().out
