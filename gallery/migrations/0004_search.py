import django.db.models.deletion
from django.db import migrations, models

BATCH = 500

# The tokenizer treats every non-ASCII character as a letter; gallery/models/search.py has already split the words.
# The text lives in gallery_searchdoc; the full-text table stores only the index (external content).
FTS5 = (
    """CREATE VIRTUAL TABLE gallery_searchdoc_fts USING fts5(
        text, content='gallery_searchdoc', content_rowid='number', detail='none', columnsize=0,
        tokenize='ascii', prefix='3 4 5 6 7 8'
    )""",
    """CREATE TRIGGER gallery_searchdoc_added AFTER INSERT ON gallery_searchdoc BEGIN
        INSERT INTO gallery_searchdoc_fts(rowid, text) VALUES (new.number, new.text);
    END""",
    """CREATE TRIGGER gallery_searchdoc_gone AFTER DELETE ON gallery_searchdoc BEGIN
        INSERT INTO gallery_searchdoc_fts(gallery_searchdoc_fts, rowid, text) VALUES ('delete', old.number, old.text);
    END""",
    """CREATE TRIGGER gallery_searchdoc_changed AFTER UPDATE OF number, text ON gallery_searchdoc BEGIN
        INSERT INTO gallery_searchdoc_fts(gallery_searchdoc_fts, rowid, text) VALUES ('delete', old.number, old.text);
        INSERT INTO gallery_searchdoc_fts(rowid, text) VALUES (new.number, new.text);
    END""",
)
GIN = (
    # Stored, because PostgreSQL often scans the newest rows until a page is full.
    """ALTER TABLE gallery_searchdoc ADD COLUMN words tsvector
    GENERATED ALWAYS AS (array_to_tsvector(string_to_array(text, ' '))) STORED""",
    "CREATE INDEX gallery_searchdoc_words ON gallery_searchdoc USING gin (words)",
    # Allows index-only scans in time order: searching for an old or rare word may scan all of it.
    # Negated, or the planner would prefer the primary key and scan the rows of every scope.
    """CREATE INDEX gallery_searchdoc_newest ON gallery_searchdoc (scope, (-number))
    INCLUDE (words, video_id, number)""",
    # The planner chooses between the indexes by word frequency, so keep statistics on many words.
    "ALTER TABLE gallery_searchdoc ALTER COLUMN words SET STATISTICS 1000",
)
NO_FTS5 = ("DROP TABLE gallery_searchdoc_fts",)  # drops only the index; the triggers go with gallery_searchdoc
NO_GIN = ("ALTER TABLE gallery_searchdoc DROP COLUMN words",)  # its indexes are dropped with it


def make_index(_apps, schema_editor):
    _execute(schema_editor, FTS5, GIN)


def drop_index(_apps, schema_editor):
    _execute(schema_editor, NO_FTS5, NO_GIN)


def _execute(schema_editor, sqlite, postgresql):
    for statement in sqlite if schema_editor.connection.vendor == "sqlite" else postgresql:
        schema_editor.execute(statement, params=None)


def index_all(apps, _schema_editor):
    """Index the existing videos, oldest first."""
    from gallery.models.search import PUBLIC, indexed_text, library_scope

    docs = apps.get_model("gallery", "SearchDoc").objects
    videos = apps.get_model("gallery", "Video").objects.only("id", "title", "prompt", "user_id", "published_at")
    batch = []
    for published in (False, True):
        found = videos.exclude(published_at=None).order_by("published_at") if published else videos.order_by("created_at")
        for video in found.iterator(BATCH):
            scope = PUBLIC if published else library_scope(video.user_id)
            text = indexed_text(scope, video.title, video.prompt)
            batch.append(docs.model(video=video, scope=scope, text=text))
            if len(batch) == BATCH:
                docs.bulk_create(batch)
                batch.clear()
    docs.bulk_create(batch)


class Migration(migrations.Migration):
    dependencies = [
        ("gallery", "0003_collections_likes_tags_reports"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchDoc",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False, verbose_name="number")),
                ("scope", models.CharField(max_length=24, verbose_name="scope")),
                ("text", models.TextField(verbose_name="words")),
                (
                    "video",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="docs",
                        to="gallery.video",
                        verbose_name="video",
                    ),
                ),
            ],
            options={
                "verbose_name": "entry of the search",
                "verbose_name_plural": "entries of the search",
                "constraints": [models.UniqueConstraint(fields=("video", "scope"), name="searched_once")],
            },
        ),
        migrations.RunPython(make_index, drop_index),
        migrations.RunPython(index_all, migrations.RunPython.noop, elidable=True),
    ]
