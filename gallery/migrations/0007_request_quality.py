"""`preset` in the request of a video becomes `quality`, as in the request of a job (generation, 0006)."""

from django.db import migrations

ROWS = 500  # in memory at a time


def rename(apps, old, new):
    """Rename the key some rows at a time, in the order of their ids; what has no such key is not touched."""
    videos, last = apps.get_model("gallery", "Video").objects, None
    while True:
        found = videos.filter(request__has_key=old).order_by("pk").only("request")
        page = list((found if last is None else found.filter(pk__gt=last))[:ROWS])
        if not page:
            return
        for video in page:
            video.request.setdefault(new, video.request.pop(old))
        videos.bulk_update(page, ["request"], batch_size=100)
        last = page[-1].pk


def to_quality(apps, _schema_editor):
    rename(apps, "preset", "quality")


def to_preset(apps, _schema_editor):
    rename(apps, "quality", "preset")


class Migration(migrations.Migration):
    dependencies = [
        ("gallery", "0006_pick_permission"),
    ]

    operations = [migrations.RunPython(to_quality, to_preset)]
