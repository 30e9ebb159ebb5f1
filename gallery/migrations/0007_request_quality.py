"""Rename `preset` to `quality` in the requests of videos, as generation 0006 does for jobs."""

from django.db import migrations

ROWS = 500  # rows in memory at a time


def rename(apps, old, new):
    """Rename the key in batches, in ID order; rows without it are left alone."""
    videos, last = apps.get_model("gallery", "Video").objects, None
    while True:
        found = videos.filter(request__has_key=old).order_by("pk").only("request")
        page = list((found if last is None else found.filter(pk__gt=last))[:ROWS])
        if not page:
            return
        changed = [video for video in page if isinstance(video.request, dict)]  # PostgreSQL finds texts and lists, too
        for video in changed:
            video.request.setdefault(new, video.request.pop(old))
        videos.bulk_update(changed, ["request"], batch_size=100)
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
