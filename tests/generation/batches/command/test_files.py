"""`manage.py batch --output`: one file and one manifest line per row, even after failures and reruns."""

import os
from functools import partial

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from generation.batches import wait
from generation.domain.states import Status
from generation.models import Job
from tests.factories import JobFactory
from tests.generation.batches.command.conftest import files_in, manifest_of, render


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
    assert (tmp_path / "as it was").read_bytes() == b"cut off"  # replaced by a new file, not overwritten in place
    assert (folder / names[2]).stat().st_ino == kept.st_ino
    assert len(manifest_of(folder)) == 3


def test_a_clip_rendered_again_replaces_its_file_even_if_both_have_the_same_size(run, file, workers, tmp_path):
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
    assert "belongs to another batch" in err
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
    assert err.startswith(f"Cannot write {tmp_path / 'taken'}")


def test_a_video_that_was_deleted_is_said(run, file, workers, tmp_path):
    path = file("a heart\na star\n")
    run(path, wait=True)
    gone, kept = Job.objects.order_by("row")
    storages["default"].delete(gone.video.video_file.name)
    kept.video.delete()
    code, out, _err = run(path, output=tmp_path / "clips")
    assert code == 3
    assert out.count("deleted: The clip was deleted.") == 2
    assert files_in(tmp_path / "clips") == ["manifest.jsonl"]


def _break(name: str) -> None:
    """Make a stored file unreadable: its name exists, but opening it fails."""
    path = storages["default"].path(name)
    storages["default"].delete(name)
    storages["default"].save(f"{name}/in-the-way", ContentFile(b""))
    assert path


def _mend(name: str, content: bytes) -> None:
    storages["default"].delete(f"{name}/in-the-way")
    storages["default"].delete(name)
    storages["default"].save(name, ContentFile(content))


def test_a_briefly_unavailable_storage_is_retried(run, file, workers, tmp_path):
    path = file("a heart\n")
    run(path, wait=True)
    name = Job.objects.get().video.video_file.name
    _break(name)
    workers.before = [lambda: None, partial(_mend, name, b"video of a heart, run 1")]
    assert run(path, output=tmp_path / "clips")[0] == 0
    assert files_in(tmp_path / "clips") == ["0001-a-heart.mp4", "manifest.jsonl"]


def test_an_unavailable_storage_is_retried_even_without_workers(run, file, no_workers, tmp_path, monkeypatch):
    path = file("a heart\n")
    run(path)
    render(Job.objects.get())
    name = Job.objects.get().video.video_file.name
    _break(name)
    monkeypatch.setattr(wait, "pause", lambda: _mend(name, b"video of a heart, run 1"))
    assert run(path, output=tmp_path / "clips")[0] == 0


def test_a_permanently_unavailable_storage_leaves_no_partial_file(run, file, workers, tmp_path, monkeypatch):
    monkeypatch.setattr(wait, "STORAGE_SECONDS", 0)
    path = file("a heart\n")
    run(path, wait=True)
    _break(Job.objects.get().video.video_file.name)
    code, out, _err = run(path, output=tmp_path / "clips")
    assert code == 3
    assert "unreadable: The storage could not return the video" in out
    assert files_in(tmp_path / "clips") == ["manifest.jsonl"]


def test_clips_of_other_people_and_batches_are_left_alone(run, file, workers, other_user):
    theirs = JobFactory(user=other_user, status=Status.FAILED)
    run(file("a heart\n"), wait=True)
    theirs.refresh_from_db()
    assert (theirs.status, theirs.run) == (Status.FAILED, 1)
