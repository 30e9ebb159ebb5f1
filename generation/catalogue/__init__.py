"""The models that can be used: their entries, files and download. Pure: no Django ORM, no Celery, no settings."""
