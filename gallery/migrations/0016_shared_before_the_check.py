"""Leave shared videos visible until the new check has seen them, and give the operator a rule to edit.

A thousand at a time, each in a transaction: on a large site, all at once would keep others waiting for minutes. An
interrupted migration continues where it stopped.
"""

from django.db import migrations

AT_ONCE = 1000


def start(apps, _schema_editor) -> None:
    Video = apps.get_model("gallery", "Video")
    shared = Video.objects.filter(visibility__in=("unlisted", "public"), screening="unseen").order_by("pk")
    last = None
    while found := list((shared if last is None else shared.filter(pk__gt=last)).values_list("pk", flat=True)[:AT_ONCE]):
        Video.objects.filter(pk__in=found, screening="unseen").update(screening="earlier")
        last = found[-1]
    apps.get_model("gallery", "SafetyRule").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("gallery", "0015_safety_check")]

    operations = [migrations.RunPython(start, migrations.RunPython.noop)]
