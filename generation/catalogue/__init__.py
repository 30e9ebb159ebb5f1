"""The model catalogue: entries, files and downloads. Pure: no Django ORM, no Celery, no settings."""
