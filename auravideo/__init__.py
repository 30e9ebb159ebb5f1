"""The Django project of AuraVideo."""

from auravideo.celery import app as celery_app

__all__ = ["celery_app"]
