"""Store with each job how it is rendered. Existing jobs get the plan that was computed for them until now."""

from types import SimpleNamespace

from django.db import migrations, models

BATCH = 500  # jobs that are held in memory at a time
NEEDED = ("width", "height", "seconds", "fps")


def plan_of(request, models):
    """Return the plan of a stored request; None where its model has left the catalogue or cannot make it any more."""
    from generation.domain.plan import plan

    try:
        model = models[request["model"]]
        return plan(SimpleNamespace(**{name: request[name] for name in NEEDED}), model).to_dict()
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None


def freeze_plans(apps, schema_editor):
    from generation.requests import available

    known = available.catalogue().models
    jobs = apps.get_model("generation", "Job").objects.using(schema_editor.connection.alias).order_by("pk")
    batch = list(jobs.only("pk", "request")[:BATCH])
    while batch:
        for job in batch:
            job.plan = plan_of(job.request, known)
        jobs.bulk_update(batch, ["plan"])
        batch = list(jobs.filter(pk__gt=batch[-1].pk).only("pk", "request")[:BATCH])


class Migration(migrations.Migration):

    dependencies = [
        ('generation', '0004_blocked_terms'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='plan',
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name='plan'),
        ),
        migrations.RunPython(freeze_plans, migrations.RunPython.noop),
    ]
