from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0007_wording"),
    ]

    operations = [
        migrations.RenameField("job", "preview", "previewed_at"),
    ]
