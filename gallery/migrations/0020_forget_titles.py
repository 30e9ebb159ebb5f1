from django.db import migrations


def forget(apps, schema_editor):
    """Forget the titles of clips that are gone, in entries that lead to nobody: their accounts are mostly gone, too."""
    found = apps.get_model("gallery", "ModerationAction").objects.filter(person=None, video=None)
    found.exclude(video_title="").update(video_title="")


class Migration(migrations.Migration):
    dependencies = [("gallery", "0019_own_check")]
    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
