from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0014_batch_axes")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="notes",
            field=models.JSONField(blank=True, null=True, verbose_name="notes"),
        ),
    ]
