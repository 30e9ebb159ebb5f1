from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0010_loading"),
    ]

    operations = [
        migrations.AddField(
            "job",
            "waits_in",
            # The version before, which still inserts jobs during an update, knows no such column.
            models.CharField(blank=True, db_default="", default="", editable=False, max_length=40, verbose_name="waits in"),
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["waits_in", "user", "queued_at"], condition=~models.Q(waits_in=""), name="waiting_jobs"
            ),
        ),
        migrations.AddIndex("job", models.Index(fields=["user", "-started_at"], name="last_started_job")),
    ]
