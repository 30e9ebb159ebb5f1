"""The process that renders for `manage.py benchmark`: the real stages, without Celery and database."""
