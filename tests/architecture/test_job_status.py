"""The check of writes to `Job.status` passes on this tree and detects every way of writing it."""

import ast
from pathlib import Path

import pytest

from scripts.check_job_status import check, writes

ROOT = Path(__file__).resolve().parents[2]


def found(source: str) -> list[tuple[int, str]]:
    return list(writes(ast.parse(source)))


def test_only_the_services_write_the_status_of_a_job():
    assert check(ROOT) == []


def test_a_tree_without_the_writer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="moved"):
        check(tmp_path)


def test_the_writer_itself_is_seen_writing():
    """Otherwise the check could pass because it reads nothing."""
    writer = next(path for path in (ROOT / "generation").rglob("services.py") if "def submit" in path.read_text())
    assert found(writer.read_text())


@pytest.mark.parametrize(
    "source",
    [
        'job.status = "done"',
        "job.status: str = Status.DONE",
        "job.status, job.run = Status.DONE, 2",
        "self.job.status += 'x'",
        'setattr(job, "status", Status.DONE)',
        'Job.objects.update(status="done")',
        "Job.objects.filter(pk=1).exclude(pk=2).update(status=Status.DONE)",
        "Job.objects.filter(pk=1).update(**changes)",
        'Job.objects.filter(pk=1).update(**{"status": "done"})',
        "batch.jobs.update(status=Status.DONE)",
        "waiting.update(status=new)",
        "await waiting.aupdate(status=new)",
        'Job.objects.bulk_update(jobs, ["status"])',
        'Job.objects.bulk_update(jobs, fields=("run", "status"))',
        "Job.objects.bulk_update(jobs, names)",
        "Job.objects.bulk_create([Job(status=Status.DONE)])",
        "Job(user=user, status='done').save()",
        "Job.objects.create(status='done')",
        "user.jobs.create(status='done')",
        "Job.objects.update_or_create(pk=1, defaults={'status': 'done'})",
        "Job.objects.get_or_create(pk=1, defaults=defaults)",
        "cursor.execute(\"UPDATE generation_job SET status = 'done'\")",
    ],
)
def test_every_way_of_writing_the_status_is_found(source):
    assert found(source)


@pytest.mark.parametrize(
    "source",
    [
        "StageRun.objects.filter(job=job).update(status=RunStatus.LOST)",
        "held.update(status=RunStatus.LOST, ended_at=now)",
        "Report.objects.update(status='closed')",
        "Job.objects.filter(pk=1).update(preview=1)",
        "Job.objects.filter(status=Status.DONE).count()",
        "values.update(prompt='status')",
        "HttpResponse(status=204)",
        "Video.objects.bulk_update(videos, ['text'])",
    ],
)
def test_what_is_no_write_of_a_jobs_status_passes(source):
    assert found(source) == []
