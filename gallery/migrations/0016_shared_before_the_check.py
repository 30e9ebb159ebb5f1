"""Leave shared videos visible until the new check has seen them, and give the operator a rule to edit."""

from django.db import migrations


def start(apps, _schema_editor) -> None:
    Video = apps.get_model("gallery", "Video")
    Video.objects.filter(visibility__in=("unlisted", "public"), screening="unseen").update(screening="earlier")
    apps.get_model("gallery", "SafetyRule").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("gallery", "0015_safety_check")]

    operations = [migrations.RunPython(start, migrations.RunPython.noop)]
