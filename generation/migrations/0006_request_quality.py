"""`preset` in a stored request becomes `quality`: a preset is what a person saved under a name."""

from django.db import migrations

ROWS = 500  # in memory at a time


def rename_in(rows, column, old, new):
    """Rename a key of a JSON column, some rows at a time, in the order of their ids; what has no such key is not touched."""
    last = None
    while True:
        found = rows.filter(**{f"{column}__has_key": old}).order_by("pk").only(column)
        page = list((found if last is None else found.filter(pk__gt=last))[:ROWS])
        if not page:
            return
        changed = [row for row in page if isinstance(getattr(row, column), dict)]  # PostgreSQL finds texts and lists, too
        for row in changed:
            value = getattr(row, column)
            value.setdefault(new, value.pop(old))
        rows.bulk_update(changed, [column], batch_size=100)
        last = page[-1].pk


def rename(apps, old, new):
    for model, column in (("Job", "request"), ("Preset", "settings")):
        rename_in(apps.get_model("generation", model).objects, column, old, new)


def to_quality(apps, _schema_editor):
    rename(apps, "preset", "quality")


def to_preset(apps, _schema_editor):
    rename(apps, "quality", "preset")


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0005_job_plan"),
    ]

    operations = [migrations.RunPython(to_quality, to_preset)]
