"""A job's states, plan and errors. Pure: no Django ORM, no Celery, no settings."""
