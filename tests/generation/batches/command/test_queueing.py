"""`manage.py batch`: its output, its exit codes and the jobs it creates."""

import io
import json

import pytest

from auravideo.commands import manage
from generation.batches import services as batches
from generation.batches import wait
from generation.domain.states import Status
from generation.models import Batch, Job
from generation.queue import broker, services
from tests.factories import UserFactory
from tests.generation.batches.command.conftest import manifest_of, render
from tests.other_families import CATALOGUE
from tests.trigger_words import embeddings

# --- Queueing ----------------------------------------------------------------------------------------------------


def test_every_row_is_queued_for_the_person(run, file, user):
    code, out, err = run(file("a red heart\n# note\na blue star\n"))
    assert (code, out, err) == (0, "2 rows: 2 queued.\n", "")
    batch = Batch.objects.get()
    assert (batch.user, batch.name) == (user, "prompts.txt")
    assert list(batch.jobs.order_by("row").values_list("row", "status")) == [(1, "queued"), (2, "queued")]


def test_standard_input_is_read(run, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO("prompt,fps\nzażółć,8\n".encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("-")[:2] == (0, "1 row: 1 queued.\n")
    assert (Batch.objects.get().name, Job.objects.get().request["prompt"]) == ("standard input", "zażółć")


def test_the_format_can_be_said(run, file):
    assert run(file('{"prompt": "a heart"}\n', "hearts.txt"), format="jsonl")[0] == 0
    assert Job.objects.get().request["prompt"] == "a heart"


BAD_ROWS = {
    "": "line 3, prompt: Describe what the clip should show, in a sentence.",
    "x" * 10_000: "line 3, prompt: At most 1000 characters are allowed; this has 10000.",
    "a\x1bheart": "line 3, prompt: This text contains control characters.",
}
BAD_FIELDS = {
    "fps": (7, "line 3, fps: This must be one of: 8, 16, 24, 25, 30, 32."),
    "seconds": (100, "line 3, seconds: This must be between 1 and 10."),
    "guidance": ("nan", "line 3, guidance: This must be a number."),
    "model": ("sd-9000", "line 3, model: There is no model with this name. The models are: tiny"),
}
BAD = [({"prompt": prompt}, says) for prompt, says in BAD_ROWS.items()]
BAD += [({"prompt": "a heart", field: value}, says) for field, (value, says) in BAD_FIELDS.items()]


@pytest.mark.parametrize(("row", "says"), BAD, ids=[says[8:25] for _row, says in BAD])
def test_a_bad_row_is_reported_by_its_line_and_nothing_is_queued(run, file, row, says):
    lines = [{"prompt": "a star"}, {"prompt": "a cross"}, row, {"prompt": "a circle"}]
    code, out, err = run(file("\n".join(map(json.dumps, lines)), "rows.jsonl"))
    assert (code, out) == (1, "")
    assert err.startswith(says)
    assert "1 of 4 rows cannot be rendered, so nothing was queued." in err
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_bad_rows_can_be_left_out(run, file):
    text = "prompt,fps\na heart,8\na star,7\na cross,8,9\na circle,16\n"
    code, out, err = run(file(text, "rows.csv"), skip_invalid=True)
    assert (code, out) == (0, "4 rows: 2 queued, 2 skipped.\n")
    assert err.split("\n")[:2] == [
        "line 3, fps: This must be one of: 8, 16, 24, 25, 30, 32.",
        "line 4: This row has 3 cells, but the header has 2.",
    ]
    assert list(Job.objects.order_by("row").values_list("row", flat=True)) == [1, 4]


def test_if_every_row_is_bad_nothing_is_queued(run, file):
    code, _out, err = run(file("prompt,fps\na,7\nb,7\n", "rows.csv"), skip_invalid=True)
    assert (code, Job.objects.count()) == (1, 0)
    assert "None of the 2 rows can be rendered, so nothing was queued." in err


def test_thousands_of_bad_rows_do_not_bury_what_to_do(run, file):
    code, _out, err = run(file("prompt,fps\n" + "a,7\n" * 3000, "rows.csv"), skip_invalid=False)
    assert code == 1
    assert len(err.strip().split("\n")) == 102
    assert "... and 2900 more." in err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "This file has no rows."),
        ("a heart".encode("utf-16") + b"x", "This is UTF-16 text with an error in it."),
        (b'prompt\n"a heart', "line 2: The quotes in this row do not match"),
        (b"prompt,prompt\na,b", "line 1: The column prompt appears twice."),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_even_without_its_bad_rows(run, file, data, says):
    code, _out, err = run(file(data, "rows.csv"), skip_invalid=True)
    assert (code, Batch.objects.count()) == (1, 0)
    assert err.startswith(says)


def test_a_file_that_is_not_there_is_named(run, tmp_path):
    assert (
        run(tmp_path / "nothing.txt")[2] == f"{tmp_path / 'nothing.txt'} cannot be read: No such file or directory.\n"
    )
    assert run(tmp_path)[2] == f"{tmp_path} cannot be read: Is a directory.\n"


def test_an_account_is_found_by_its_name_or_address_in_any_case(run, file, user):
    for name in (user.username.upper(), user.email.upper()):
        assert run(file("a heart\n"), user=name)[0] == 0
    assert Job.objects.get().user == user


@pytest.fixture
def taught(settings, tmp_path):
    """Teach the default model two words, and no other one."""
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE + embeddings("inkwash", "bad-hands"))
    settings.CATALOGUE_FILE = str(path)


@pytest.mark.usefixtures("taught")
def test_trigger_words_are_named_once_where_no_prompt_has_one(run, file):
    rows = file("a red heart\na blue star\n")
    _code, out, err = run(rows)
    assert err == "No prompt uses a trigger word; these models were taught: inkwash, bad-hands.\n"
    assert out == "2 rows: 2 queued.\n"
    assert run(rows)[2] == "", "the same batch again"


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize(
    "text", ["a red heart, Inkwash\na star\n", "prompt,negative_prompt\na heart,bad-hands\na star,\n"]
)
def test_whoever_uses_trigger_words_is_not_told(run, file, text):
    assert run(file(text, "rows.csv" if "," in text[:8] else "rows.txt"))[2] == ""


@pytest.mark.usefixtures("taught")
def test_only_words_that_the_models_of_the_batch_read_are_named(run, file):
    assert run(file("prompt,model,size\na wave,waves,256x256\n", "rows.csv"))[2] == ""


@pytest.mark.usefixtures("native_sizes")
def test_the_size_of_rows_without_one_is_said_where_it_is_larger_than_of_the_models_that_ship(run, file):
    rows = "prompt,model,size\na wave,tides,\na wave,waves,256x256\na lake,lake,\na wave,tides,\na heart,,\n"
    said = "Rows without a size are made at 856x480 with Tides and 640x640 with Lake, as the form opens.\n"
    assert run(file(rows, "rows.csv"))[2] == said
    assert run(file(rows, "rows.csv"))[2] == "", "nothing more is queued"
    services.cancel(Job.objects.get(row=1))
    Job.objects.filter(row=3).delete()
    assert run(file(rows, "rows.csv"))[2] == said, "a batch that was queued in part"


@pytest.mark.parametrize("name", ["nobody", "", "a b"])
def test_an_unknown_account_is_named(run, file, name):
    UserFactory(email="")
    code, _out, err = run(file("a heart\n"), user=name)
    assert (code, Job.objects.count()) == (1, 0)
    assert err.startswith(f"There is no account '{name}'.")


def test_a_closed_account_renders_nothing(run, file):
    code, _out, err = run(file("a heart\n"), user=UserFactory(is_active=False).username)
    assert (code, Job.objects.count()) == (1, 0)
    assert "is closed" in err


# --- Resuming ----------------------------------------------------------------------------------------------------


def test_a_second_run_queues_nothing_again_and_tries_again_what_failed(run, file):
    path = file("a heart\na star\na cross\n")
    run(path)
    services.fail(Job.objects.get(row=2), 1, "out-of-memory", {})
    render(Job.objects.get(row=3))
    assert run(path)[:2] == (
        0,
        "Resuming an earlier batch. 3 rows: 1 retried, 2 already there.\n",
    )
    assert list(Job.objects.order_by("row").values_list("status", "run")) == [("queued", 1), ("queued", 2), ("done", 1)]


def test_the_same_file_of_another_person_is_another_batch(run, file, other_user):
    path = file("a heart\n")
    run(path)
    assert run(path, user=other_user.username)[1] == "1 row: 1 queued.\n"
    assert Job.objects.count() == 2


def test_rows_above_the_limit_per_user_are_reported_and_queued_by_the_next_run(run, file, settings):
    settings.MAX_ACTIVE_JOBS = 2
    path = file("a heart\na star\na cross\n")
    code, out, err = run(path)
    assert (code, out) == (4, "3 rows: 2 queued.\n")
    assert err.startswith("1 row could not be queued")
    assert "or with --wait" in err
    render(Job.objects.get(row=1))
    code, out, _err = run(path)
    assert (code, out.split(". ")[1]) == (0, "3 rows: 1 queued, 2 already there.\n")


# --- Waiting -----------------------------------------------------------------------------------------------------


def test_waiting_ends_when_every_clip_is_done(run, file, workers):
    code, out, err = run(file("a heart\na star\n"), wait=True)
    assert (code, err) == (0, "")
    assert out.split("\n") == ["2 rows: 2 queued.", "line 1: done", "line 2: done", "2 done.", ""]
    assert set(Job.objects.values_list("status", flat=True)) == {"done"}


def test_rows_beyond_the_bound_are_queued_as_earlier_ones_end(run, file, workers, settings):
    settings.MAX_ACTIVE_JOBS = 2
    workers.failing = {2}
    code, out, _err = run(file("a heart\na star\na cross\na circle\na square\n"), wait=True)
    assert code == 3
    assert out.startswith("5 rows: 2 queued.\n")
    assert out.endswith("4 done, 1 failed.\n")
    assert list(Job.objects.order_by("queued_at").values_list("row", flat=True)) == [1, 2, 3, 4, 5]


def test_a_clip_that_fails_is_told_with_its_reason_and_tried_again_by_the_next_run(run, file, workers):
    path = file("a heart\n\na star\n")
    workers.failing = {2}
    code, out, _err = run(path, wait=True)
    assert code == 3
    assert "line 3: failed: The graphics card ran out of memory" in out
    workers.failing = set()
    code, out, _err = run(path, wait=True)
    assert (code, out.split("\n")[-2]) == (0, "2 done.")


def test_cancelled_or_deleted_clips_are_not_waited_for(run, file, workers):
    workers.before = [
        lambda: services.cancel(Job.objects.get(row=1)),
        lambda: Job.objects.get(row=2).delete(),
    ]
    code, out, _err = run(file("a heart\na star\na cross\n"), wait=True)
    assert code == 3
    assert out.split("\n")[1:] == [
        "line 1: cancelled",
        "line 2: deleted: The clip was deleted.",
        "line 3: done",
        "1 cancelled, 1 deleted, 1 done.",
        "",
    ]


def test_a_batch_that_is_done_already_needs_no_workers(run, file, no_workers):
    path = file("a heart\n")
    run(path)
    render(Job.objects.get())
    code, out, _err = run(path, wait=True)
    assert (code, out.split("\n")[-2]) == (0, "1 done.")


def test_without_workers_the_clips_are_queued_and_the_command_that_starts_them_is_named(run, file, no_workers):
    code, out, err = run(file("prompt,fps\na heart,8\n", "rows.csv"), wait=True)
    assert code == 4
    assert out.startswith("1 row: 1 queued.\n")
    assert err.startswith("No worker responds for: cpu, generate, upscale. The clips are queued")
    assert f"make run (or: {manage('serve')})" in err
    assert Job.objects.get().status == Status.QUEUED


def test_workers_that_fall_silent_are_noticed_and_a_restart_is_not_taken_for_it(run, file, workers, monkeypatch):
    answers = iter([set(), {"cpu"}, set(), {"cpu"}, {"cpu"}])  # the first answer is for the check at startup
    monkeypatch.setattr(batches, "silent_queues", lambda _needed: next(answers))
    monkeypatch.setattr(wait, "STALL_SECONDS", 0)
    workers.before = [lambda: None] * 10
    code, _out, err = run(file("a heart\n"), wait=True)
    assert code == 4
    assert err.startswith("No worker responds for: cpu.")
    assert list(answers) == []


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_clips_are_kept_and_it_is_said_once(run, file, settings, tmp_path, caplog):
    settings.REDIS_BROKER_URL = f"unix://{tmp_path / 'nobody'}.sock?db=0"
    broker.connection.cache_clear()
    try:
        code, out, err = run(file("a heart\na star\n"))
        assert (code, out) == (0, "2 rows: 2 queued.\n")
        assert err.startswith("Redis is not responding. The clips are kept in the database")
        assert err.count("make run") == 1
        assert not [record for record in caplog.records if "could not be sent" in record.getMessage()]
        assert list(Job.objects.values_list("status", flat=True)) == ["queued", "queued"]
        assert run(file("a heart\na star\n"), wait=True)[0] == 4
    finally:
        broker.connection.cache_clear()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_leaves_the_clips_running_and_says_so(run, file, workers, tmp_path, settings):
    settings.MAX_ACTIVE_JOBS = 2
    workers.before = [interrupt]
    folder = tmp_path / "clips"
    code, _out, err = run(file("a heart\na star\na cross\n"), output=folder)
    assert code == 130
    assert err.startswith("Stopped. Queued clips are still rendered. 1 row could not be queued yet.")
    assert list(Job.objects.values_list("status", flat=True)) == ["queued", "queued"]
    assert [record["status"] for record in manifest_of(folder)] == ["queued", "queued", "pending"]


def test_without_room_on_the_disk_nothing_is_queued_until_there_is(run, file, settings):
    settings.MIN_FREE_MB = 10**9
    rows = file("a red heart\na blue star\n")
    code, _out, err = run(rows)
    assert code != 0
    assert "2 rows could not be queued: the disk is full or nearly so." in err
    settings.MIN_FREE_MB = 0
    assert run(rows)[0] == 0
    assert Job.objects.count() == 2
