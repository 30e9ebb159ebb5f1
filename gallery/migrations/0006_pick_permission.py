from django.conf import settings
from django.db import migrations

MODERATE = {"codename": "moderate", "content_type__app_label": "gallery"}
PICK_NAME = "Can pick: choose public videos for the staff picks"


def let_moderators_pick(apps, _schema_editor):
    """Grant the pick permission to everyone who may moderate; moderating used to include it.

    Django creates permissions only after all migrations, so this one is created here. On a new site there is nobody to
    grant it to, and the permission to moderate doesn't exist yet.
    """
    Permission = apps.get_model("auth", "Permission")
    moderate = Permission.objects.filter(**MODERATE).first()
    if moderate is None:
        return
    video, _new = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="gallery", model="video")
    pick, _new = Permission.objects.get_or_create(codename="pick", content_type=video, defaults={"name": PICK_NAME})
    for user in apps.get_model("accounts", "User").objects.filter(user_permissions=moderate):
        user.user_permissions.add(pick)
    for group in apps.get_model("auth", "Group").objects.filter(permissions=moderate):
        group.permissions.add(pick)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_language_choices'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('gallery', '0005_trash_of_person'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='video',
            options={'ordering': ['-created_at'], 'permissions': [('pick', 'Can pick: choose public videos for the staff picks')], 'verbose_name': 'video', 'verbose_name_plural': 'videos'},
        ),
        migrations.RunPython(let_moderators_pick, migrations.RunPython.noop),
    ]
