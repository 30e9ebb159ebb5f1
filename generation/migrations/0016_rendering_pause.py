from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0015_worker_notes")]

    operations = [
        migrations.CreateModel(
            name="RenderingPause",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False, verbose_name="id"
                    ),
                ),
                ("since", models.DateTimeField(verbose_name="since")),
            ],
            options={
                "verbose_name": "pause of rendering",
                "verbose_name_plural": "pauses of rendering",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="one_pause_at_a_time"),
                ],
            },
        ),
    ]
