"""Stack the clips made before there were stacks, a thousand at a time: every batch is its own transaction.

An interrupted migration continues where it stopped. The keys have to be those that this version gives to new clips, so
this uses its function, not a copy of it.
"""

from django.db import migrations, transaction
from django.db.models import OuterRef, Subquery, UUIDField

from gallery.models.stack_key import stack_key

AT_ONCE = 1000


def key_of(video) -> str:
    """Return the key of a clip; one whose request cannot be read is a stack of its own."""
    try:
        return stack_key(video.request)
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return video.pk.hex


def batches(videos):
    """Yield the rows in the order of their keys, `AT_ONCE` at a time, each in a transaction."""
    last = None
    while True:
        with transaction.atomic():
            rows = videos.order_by("pk") if last is None else videos.order_by("pk").filter(pk__gt=last)
            found = list(rows[:AT_ONCE])
            if not found:
                return
            yield found
            last = found[-1].pk


def fill_keys(apps, _schema_editor) -> None:
    Video = apps.get_model("gallery", "Video")
    for videos in batches(Video.objects.filter(stack_key="").only("pk", "request", "stack_key")):
        for video in videos:
            video.stack_key = key_of(video)
        Video.objects.bulk_update(videos, ["stack_key"], batch_size=200)


def find_fronts(apps, _schema_editor) -> None:
    Video = apps.get_model("gallery", "Video")
    same = Video.objects.filter(user=OuterRef("user"), stack_key=OuterRef("stack_key"), deleted_at=None)
    newest = Subquery(same.order_by("-created_at", "-id").values("pk")[:1], output_field=UUIDField())
    for videos in batches(Video.objects.filter(deleted_at=None).only("pk")):
        chosen = Video.objects.filter(pk__in=[video.pk for video in videos])
        chosen.filter(pk=newest).update(is_front=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("gallery", "0011_stacks")]

    operations = [
        migrations.RunPython(fill_keys, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(find_fronts, migrations.RunPython.noop, elidable=True),
    ]
