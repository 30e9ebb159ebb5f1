"""A user's jobs, batches and presets as personal data: summarised, stopped, exported and erased with the account."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from django.core.files.storage import storages
from django.utils.translation import ngettext

from accounts.models import User
from accounts.personal_data import Holder, Holding
from auravideo.core.storage import delete_folder
from auravideo.core.zips import ZipEntry, json_file, json_list
from generation.domain import storage_keys
from generation.domain.states import ACTIVE
from generation.models import Batch, Job, LedgerEntry, Preset, Quota
from generation.queue import events, services
from generation.quotas.selectors import allowance_of

PAGE = 200


class JobsOfPerson(Holder):
    def summary(self, user: User) -> Iterable[Holding]:
        jobs, batches = Job.objects.filter(user=user).count(), Batch.objects.filter(user=user).count()
        yield Holding(ngettext("%d request", "%d requests", jobs) % jobs)
        if batches:
            yield Holding(ngettext("%d batch", "%d batches", batches) % batches)
        if presets := Preset.objects.filter(user=user).count():
            yield Holding(ngettext("%d preset", "%d presets", presets) % presets)

    def stop(self, user: User) -> None:
        """Close the user's open pages and cancel their active jobs, at their expense if they leave themselves."""
        events.cut_off(user.pk)
        for job in Job.objects.filter(user=user, status__in=ACTIVE):
            services.cancel(job, costs=user.is_deactivated)

    def export(self, user: User) -> Iterable[ZipEntry]:
        yield json_list("jobs.json", lambda: _records(user))
        yield json_file("quota.json", lambda: _quota(user))
        yield json_list("presets.json", lambda: [_preset(preset) for preset in Preset.objects.filter(user=user)])

    def erase(self, user: User) -> Iterator[None]:
        """Delete job by job, files before the row, so an interruption leaves no orphaned files."""
        while job := Job.objects.filter(user=user).first():
            services.cancel(job)
            for alias, folder in _folders(job):
                delete_folder(storages[alias], folder)
            job.delete()
            yield
        Batch.objects.filter(user=user).delete()
        Preset.objects.filter(user=user).delete()
        LedgerEntry.objects.filter(user=user).delete()
        Quota.objects.filter(user=user).delete()


def _records(user: User) -> Iterator[dict]:
    """Yield job records page by page: a slow download must not hold a query open and block writers."""
    ids = list(Job.objects.filter(user=user).order_by("created_at").values_list("pk", flat=True))
    for start in range(0, len(ids), PAGE):
        page = Job.objects.filter(pk__in=ids[start : start + PAGE]).select_related("batch").order_by("created_at")
        yield from map(_record, page)


def _folders(job: Job) -> Iterator[tuple[str, str]]:
    """Yield (storage alias, folder) for all of a job's files."""
    yield "frames", storage_keys.frames_folder(job.pk)
    yield "default", storage_keys.video_folder(job.pk)


def _quota(user: User) -> dict:
    """Return what the user may use, and what counts against it; deleted clips have no job."""
    entries = LedgerEntry.objects.filter(user=user).order_by("counted_at")
    allowance = asdict(allowance_of(user))
    fields = {"seconds": "seconds", "cancelled_seconds": "spent", "counted": "counted_at", "job": "job_id"}
    counted = [{name: getattr(each, field) for name, field in fields.items()} for each in entries]
    return {"allowance": allowance, "counted": counted}


def _preset(preset: Preset) -> dict:
    return {"name": preset.name, "settings": preset.settings, "created": preset.created_at}


def _record(job: Job) -> dict:
    return {
        "id": job.pk,
        "state": job.status,
        "request": job.stored_request,
        "batch": job.batch.name if job.batch else None,
        "row": job.row,
        "warnings": [str(text) for text in job.warning_texts],
        "error": str(job.error_text),
        "created": job.created_at,
        "started": job.started_at,
        "ended": job.ended_at,
    }
