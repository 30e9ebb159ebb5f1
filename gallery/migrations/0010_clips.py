import django.db.models.deletion
from django.db import migrations, models


NAMES = {
    "moderate": "Can moderate: handle reports, clips and people",
    "pick": "Can pick: choose public clips for the staff picks",
}


def rename_permissions(apps, _schema_editor) -> None:
    """Rename what Django names only once, when it creates a permission."""
    permissions = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="gallery")
    for codename, name in NAMES.items():
        permissions.filter(codename=codename).update(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("gallery", "0009_retention_rule"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="collectionitem",
            options={"verbose_name": "clip of a collection", "verbose_name_plural": "clips of collections"},
        ),
        migrations.AlterModelOptions(
            name="report",
            options={
                "ordering": ["-created_at"],
                "permissions": [("moderate", "Can moderate: handle reports, clips and people")],
                "verbose_name": "report",
                "verbose_name_plural": "reports",
            },
        ),
        migrations.AlterModelOptions(
            name="video",
            options={
                "ordering": ["-created_at"],
                "permissions": [("pick", "Can pick: choose public clips for the staff picks")],
                "verbose_name": "clip",
                "verbose_name_plural": "clips",
            },
        ),
        migrations.AlterModelOptions(
            name="videotag",
            options={"verbose_name": "clip tag", "verbose_name_plural": "clip tags"},
        ),
        migrations.AlterField(
            model_name="collection",
            name="videos",
            field=models.ManyToManyField(
                related_name="collections", through="gallery.CollectionItem", to="gallery.video", verbose_name="clips"
            ),
        ),
        migrations.AlterField(
            model_name="collectionitem",
            name="video",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="items",
                to="gallery.video",
                verbose_name="clip",
            ),
        ),
        migrations.AlterField(
            model_name="like",
            name="video",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="liked_by",
                to="gallery.video",
                verbose_name="clip",
            ),
        ),
        migrations.AlterField(
            model_name="moderationaction",
            name="act",
            field=models.CharField(
                choices=[
                    ("dismiss", "Reports dismissed"),
                    ("hide", "Clip hidden"),
                    ("auto-hide", "Clip hidden until it is reviewed"),
                    ("restore", "Clip shown again"),
                    ("delete", "Clip deleted"),
                    ("warn", "Warning"),
                    ("suspend", "Account suspended"),
                    ("unsuspend", "Suspension ended"),
                    ("pick", "Picked by staff"),
                    ("unpick", "No longer picked by staff"),
                ],
                max_length=10,
                verbose_name="action",
            ),
        ),
        migrations.AlterField(
            model_name="moderationaction",
            name="video",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="moderation_actions",
                to="gallery.video",
                verbose_name="clip",
            ),
        ),
        migrations.AlterField(
            model_name="moderationaction",
            name="video_title",
            field=models.CharField(blank=True, max_length=200, verbose_name="clip title"),
        ),
        migrations.AlterField(
            model_name="report",
            name="video",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reports",
                to="gallery.video",
                verbose_name="clip",
            ),
        ),
        migrations.AlterField(
            model_name="searchdoc",
            name="video",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="docs",
                to="gallery.video",
                verbose_name="clip",
            ),
        ),
        migrations.AlterField(
            model_name="videotag",
            name="video",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="video_tags",
                to="gallery.video",
                verbose_name="clip",
            ),
        ),
        migrations.RunPython(rename_permissions, migrations.RunPython.noop),
    ]
