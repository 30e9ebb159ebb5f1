"""Count the clips of the last day, which were queued before there was a ledger."""

from datetime import timedelta

from django.db import migrations
from django.db.models.functions import Now

AT_ONCE = 500


def fill(apps, _schema_editor):
    Job, LedgerEntry = (apps.get_model("generation", name) for name in ("Job", "LedgerEntry"))
    recent = Job.objects.filter(queued_at__gt=Now() - timedelta(days=1), ledger_entry=None)
    counted = recent.exclude(status__in=["failed", "cancelled"]).values_list("pk", "user", "request", "queued_at")
    entries = [
        LedgerEntry(job_id=pk, user_id=user, seconds=_seconds(request), size=0, counted_at=queued_at)
        for pk, user, request, queued_at in counted.iterator(AT_ONCE)
    ]
    LedgerEntry.objects.bulk_create(entries, AT_ONCE)


def _seconds(request):
    seconds = request.get("seconds") if isinstance(request, dict) else None
    return seconds if isinstance(seconds, int) and seconds > 0 else 0


class Migration(migrations.Migration):
    dependencies = [("generation", "0017_quotas")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
