"""The states, plan, stages and errors of a job. Pure: no Django ORM, no Celery, no settings."""
