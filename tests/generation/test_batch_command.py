"""`manage.py batch` as its users meet it: what it says, what it leaves in the database and in the folder."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from generation import batch_wait, batches, broker, claims, services
from generation.models import Batch, Job
from generation.states import ACTIVE, QUEUES, Stage, Status
from tests.factories import JobFactory, UserFactory

WORKER = """
from auravideo.celery import app
app.conf.imports = ()  # it answers, and knows no task
app.worker_main(["worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"])
"""


@pytest.fixture(scope="module")
def _worker(_redis_server):
    """A real worker that reads every queue and does nothing; the tests do its work themselves."""
    queues = set(QUEUES.values())
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=django_settings.BASE_DIR, **quiet)
    deadline = time.monotonic() + 120
    while broker.live_queues(0.5) != queues:
        assert process.poll() is None and time.monotonic() < deadline, "the worker did not come up"
    yield process
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def _no_endless_waiting(monkeypatch):
    def wait():
        raise AssertionError("the command waits for workers that are not there")

    monkeypatch.setattr(batch_wait, "pause", wait)


@pytest.fixture
def no_workers(_worker, monkeypatch):
    """Nobody answers: the worker of the other tests stands still."""
    monkeypatch.setattr(batches, "ANSWER_SECONDS", (0.1,))
    _worker.send_signal(signal.SIGSTOP)
    yield
    _worker.send_signal(signal.SIGCONT)


@pytest.fixture
def workers(_worker, monkeypatch):
    """Workers answer, and between two looks of the command they finish one job each time."""
    crew = Crew()
    monkeypatch.setattr(batch_wait, "pause", crew.work)
    return crew


class Crew:
    """Does between two looks of the command what workers would have done."""

    def __init__(self) -> None:
        self.failing: set[int] = set()  # rows
        self.before: list = []  # what happens first, once for each look
        self.looks = 0

    def work(self) -> None:
        self.looks += 1
        assert self.looks < 50, "the command waits for ever"
        if self.before:
            self.before.pop(0)()
            return
        job = Job.objects.filter(status__in=ACTIVE).order_by("row").first()
        if job is not None and job.row in self.failing:
            claims.fail(claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker"), "out-of-memory", {})
        elif job is not None:
            render(job)


def render(job) -> None:
    """Finish a job with a video whose bytes tell which job it is of."""
    content = f"video of {job.request['prompt']}, run {job.run}".encode()
    name = storages["default"].save(f"videos/{job.pk}/video.{job.request['format']}", ContentFile(content))
    output = {"video": name, "poster": name, "preview": name, "size": len(content)}
    held = claims.claim(job.pk, job.run, Stage.ASSEMBLE, 0, "worker")
    assert claims.finish(held, {**output, "width": 256, "height": 256, "frames": 48, "fps": 24})


@pytest.fixture
def file(tmp_path):
    """Write a batch file."""

    def write(text: str | bytes, name: str = "prompts.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.fixture
def run(user):
    """Run the command; gives (exit code, what it printed, what it complained of)."""

    def call(*args, user=user.username, **options):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command("batch", *map(str, args), user=user, stdout=out, stderr=err, no_color=True, **options)
        except CommandError as error:
            code = error.returncode
            err.write(f"{error}\n")
        except SystemExit as end:
            code = end.code
        return code, out.getvalue(), err.getvalue()

    return call


def manifest_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().split("\n") if line]


def files_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- What is queued ----------------------------------------------------------------------------------------------


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
    "x" * 10_000: "line 3, prompt: At most 1000 characters are read; these are 10000.",
    "a\x1bheart": "line 3, prompt: There are control characters in this text.",
}
BAD_FIELDS = {
    "fps": (7, "line 3, fps: This must be one of: 8, 16, 24, 32."),
    "seconds": (100, "line 3, seconds: This must be between 1 and 10."),
    "guidance": ("nan", "line 3, guidance: This must be a number."),
    "model": ("sd-9000", "line 3, model: There is no model of this name. The models are: tiny"),
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
    text = "prompt,fps\na heart,8\na star,7\na cross\na circle,16\n"
    code, out, err = run(file(text, "rows.csv"), skip_invalid=True)
    assert (code, out) == (0, "4 rows: 2 queued, 2 left out.\n")
    assert err.split("\n")[:2] == [
        "line 3, fps: This must be one of: 8, 16, 24, 32.",
        "line 4: This row has 1 cells, but the header has 2.",
    ]
    assert list(Job.objects.order_by("row").values_list("row", flat=True)) == [1, 4]


def test_when_every_row_is_bad_there_is_nothing_to_leave_out_for(run, file):
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
        (b"", "There is no row in this file."),
        ("a heart".encode("utf-16"), "This is UTF-16 text. Save it as UTF-8."),
        (b'prompt\n"a heart', "line 2: The quotes of this row do not match"),
        (b"prompt,prompt\na,b", "line 1: The column prompt is there twice."),
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


# --- Going on ----------------------------------------------------------------------------------------------------


def test_a_second_run_queues_nothing_again_and_tries_again_what_failed(run, file):
    path = file("a heart\na star\na cross\n")
    run(path)
    services.fail(Job.objects.get(row=2), 1, "out-of-memory", {})
    render(Job.objects.get(row=3))
    assert run(path)[:2] == (
        0,
        "Going on with the batch that you gave before. 3 rows: 1 tried again, 2 there already.\n",
    )
    assert list(Job.objects.order_by("row").values_list("status", "run")) == [("queued", 1), ("queued", 2), ("done", 1)]


def test_the_same_file_of_another_person_is_another_batch(run, file, other_user):
    path = file("a heart\n")
    run(path)
    assert run(path, user=other_user.username)[1] == "1 row: 1 queued.\n"
    assert Job.objects.count() == 2


def test_rows_beyond_what_one_person_may_have_waiting_are_said_and_queued_by_the_next_run(run, file, settings):
    settings.MAX_ACTIVE_JOBS = 2
    path = file("a heart\na star\na cross\n")
    code, out, err = run(path)
    assert (code, out) == (4, "3 rows: 2 queued.\n")
    assert err.startswith("1 row could not be queued")
    assert "or with --wait" in err
    render(Job.objects.get(row=1))
    code, out, _err = run(path)
    assert (code, out.split(". ")[1]) == (0, "3 rows: 1 queued, 2 there already.\n")


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


def test_what_the_person_cancels_or_deletes_is_not_waited_for(run, file, workers):
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
    assert err.startswith("No worker answers for: cpu, generate, upscale. The clips are queued")
    assert "make run (or: python manage.py serve)" in err
    assert Job.objects.get().status == Status.QUEUED


def test_workers_that_fall_silent_are_noticed_and_a_restart_is_not_taken_for_it(run, file, workers, monkeypatch):
    answers = iter([set(), {"cpu"}, set(), {"cpu"}, {"cpu"}])  # the first is asked at the start
    monkeypatch.setattr(batches, "silent_queues", lambda _needed: next(answers))
    monkeypatch.setattr(batch_wait, "STALL_SECONDS", 0)
    workers.before = [lambda: None] * 10
    code, _out, err = run(file("a heart\n"), wait=True)
    assert code == 4
    assert err.startswith("No worker answers for: cpu.")
    assert list(answers) == []


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_clips_are_kept_and_it_is_said_once(run, file, settings, tmp_path, caplog):
    settings.REDIS_BROKER_URL = f"unix://{tmp_path / 'nobody'}.sock?db=0"
    broker.connection.cache_clear()
    try:
        code, out, err = run(file("a heart\na star\n"))
        assert (code, out) == (0, "2 rows: 2 queued.\n")
        assert err.startswith("Redis does not answer. The clips are kept in the database")
        assert err.count("make run") == 1
        assert not [record for record in caplog.records if record.name == "generation.services"]
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
    assert err.startswith(
        "Stopped. The clips that are queued are rendered all the same. 1 row could not be queued yet."
    )
    assert list(Job.objects.values_list("status", flat=True)) == ["queued", "queued"]
    assert [record["status"] for record in manifest_of(folder)] == ["queued", "queued", "pending"]


# --- Files -------------------------------------------------------------------------------------------------------


def test_every_row_becomes_a_file_and_a_line_of_the_manifest(run, file, workers, tmp_path):
    folder = tmp_path / "new" / "clips"
    text = "prompt,format,seed\nA red heart!,mp4,7\n赤い ハート/..,webm,8\nbad,avi,\n♥,gif,\n"
    code, out, _err = run(file(text, "rows.csv"), output=folder, skip_invalid=True)
    assert (code, out.split("\n")[-2]) == (0, f"3 done. The files are in {folder}.")
    assert files_in(folder) == ["0001-a-red-heart.mp4", "0002-赤い-ハート.webm", "0004.gif", "manifest.jsonl"]
    assert (folder / "0001-a-red-heart.mp4").read_bytes() == b"video of A red heart!, run 1"
    records = manifest_of(folder)
    assert [(record["row"], record["line"], record["status"]) for record in records] == [
        (1, 2, "done"),
        (2, 3, "done"),
        (3, 4, "invalid"),
        (4, 5, "done"),
    ]
    job = Job.objects.get(row=1)
    assert records[0]["job"] == str(job.pk)
    assert records[0]["video"] == str(job.video.pk)
    assert records[0]["file"] == "0001-a-red-heart.mp4"
    assert records[0]["request"] == {**job.request, "seed": 7}
    assert records[2]["error"] == "line 4, format: This must be one of: mp4, webm, gif."
    assert records[3]["request"]["seed"] == Job.objects.get(row=4).seed


def test_a_failed_row_has_its_reason_in_the_manifest_and_no_file(run, file, workers, tmp_path):
    workers.failing = {1}
    assert run(file("a heart\na star\n"), output=tmp_path / "clips")[0] == 3
    failed, done = manifest_of(tmp_path / "clips")
    assert (failed["status"], failed["file"], done["file"]) == ("failed", None, "0002-a-star.mp4")
    assert failed["error"].startswith("The graphics card ran out of memory")


def test_a_second_run_writes_only_what_is_missing(run, file, workers, tmp_path):
    folder, path = tmp_path / "clips", file("a heart\na star\na cross\n")
    run(path, output=folder)
    names = files_in(folder)
    (folder / names[0]).unlink()
    (folder / names[1]).write_bytes(b"cut off")
    os.link(folder / names[1], tmp_path / "as it was")
    kept = (folder / names[2]).stat()
    code, out, _err = run(path, output=folder)
    assert (code, out.count("\n")) == (0, 2)
    assert files_in(folder) == names
    assert (folder / names[1]).read_bytes() == b"video of a star, run 1"
    assert (tmp_path / "as it was").read_bytes() == b"cut off"  # another file took its place, whole
    assert (folder / names[2]).stat().st_ino == kept.st_ino
    assert len(manifest_of(folder)) == 3


def test_a_clip_that_was_rendered_anew_replaces_its_file_even_when_both_are_of_one_size(run, file, workers, tmp_path):
    folder, path = tmp_path / "clips", file("a heart\n")
    run(path, output=folder)
    before, (old,) = (folder / "0001-a-heart.mp4").stat(), manifest_of(folder)
    Job.objects.get().delete()
    run(path, output=folder)
    after, (new,) = (folder / "0001-a-heart.mp4").stat(), manifest_of(folder)
    assert after.st_size == before.st_size
    assert after.st_ino != before.st_ino
    assert new["video"] != old["video"]


def test_the_clips_of_two_batches_do_not_mix(run, file, workers, tmp_path):
    folder = tmp_path / "clips"
    run(file("a heart\n"), output=folder)
    before = (folder / "manifest.jsonl").read_bytes()
    code, _out, err = run(file("a star\n"), output=folder)
    assert (code, Job.objects.count()) == (1, 1)
    assert "is of another batch" in err
    assert (folder / "manifest.jsonl").read_bytes() == before


def test_a_folder_in_which_a_batch_left_no_clip_is_free_for_another(run, file, workers, tmp_path):
    workers.failing = {1}
    assert run(file("a heart\n"), output=tmp_path / "clips")[0] == 3
    workers.failing = set()
    assert run(file("a star\n"), output=tmp_path / "clips")[0] == 0
    assert [record["file"] for record in manifest_of(tmp_path / "clips")] == ["0001-a-star.mp4"]


@pytest.mark.parametrize("content", [b"not json", b"\xff\xfe", b"[]\n", b"{}\n"])
def test_a_file_that_is_no_manifest_of_ours_is_not_overwritten(run, file, tmp_path, content):
    (tmp_path / "manifest.jsonl").write_bytes(content)
    assert run(file("a heart\n"), output=tmp_path)[0] == 1
    assert (tmp_path / "manifest.jsonl").read_bytes() == content


def test_a_folder_that_cannot_be_written_to_is_noticed_before_anything_is_queued(run, file, tmp_path):
    (tmp_path / "taken").write_text("a file")
    code, _out, err = run(file("a heart\n"), output=tmp_path / "taken")
    assert (code, Job.objects.count()) == (1, 0)
    assert err.startswith(f"{tmp_path / 'taken'} cannot be written")


def test_a_video_that_was_deleted_is_said(run, file, workers, tmp_path):
    path = file("a heart\na star\n")
    run(path, wait=True)
    gone, kept = Job.objects.order_by("row")
    storages["default"].delete(gone.video.video_file.name)
    kept.video.delete()
    code, out, _err = run(path, output=tmp_path / "clips")
    assert code == 3
    assert out.count("deleted: The video was deleted.") == 2
    assert files_in(tmp_path / "clips") == ["manifest.jsonl"]


def _break(name: str) -> None:
    """What a storage that is out of order looks like from here: the name is there, and cannot be read."""
    path = storages["default"].path(name)
    storages["default"].delete(name)
    storages["default"].save(f"{name}/in-the-way", ContentFile(b""))
    assert path


def _mend(name: str, content: bytes) -> None:
    storages["default"].delete(f"{name}/in-the-way")
    storages["default"].delete(name)
    storages["default"].save(name, ContentFile(content))


def test_a_storage_that_is_away_for_a_moment_is_asked_again(run, file, workers, tmp_path):
    path = file("a heart\n")
    run(path, wait=True)
    name = Job.objects.get().video.video_file.name
    _break(name)
    workers.before = [lambda: None, partial(_mend, name, b"video of a heart, run 1")]
    assert run(path, output=tmp_path / "clips")[0] == 0
    assert files_in(tmp_path / "clips") == ["0001-a-heart.mp4", "manifest.jsonl"]


def test_without_workers_a_storage_that_is_away_is_still_asked_again(run, file, no_workers, tmp_path, monkeypatch):
    path = file("a heart\n")
    run(path)
    render(Job.objects.get())
    name = Job.objects.get().video.video_file.name
    _break(name)
    monkeypatch.setattr(batch_wait, "pause", lambda: _mend(name, b"video of a heart, run 1"))
    assert run(path, output=tmp_path / "clips")[0] == 0


def test_a_storage_that_stays_away_leaves_no_half_file(run, file, workers, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_wait, "STORAGE_SECONDS", 0)
    path = file("a heart\n")
    run(path, wait=True)
    _break(Job.objects.get().video.video_file.name)
    code, out, _err = run(path, output=tmp_path / "clips")
    assert code == 3
    assert "unreadable: The storage did not give the video" in out
    assert files_in(tmp_path / "clips") == ["manifest.jsonl"]


def test_clips_of_other_people_and_batches_are_left_alone(run, file, workers, other_user):
    theirs = JobFactory(user=other_user, status=Status.FAILED)
    run(file("a heart\n"), wait=True)
    theirs.refresh_from_db()
    assert (theirs.status, theirs.run) == (Status.FAILED, 1)
