"""Fixtures shared by the moderation tests."""

import json

import pytest

from auravideo.celery import app
from gallery.moderation import alerts, emails, newcomers


@pytest.fixture
def letters_written(monkeypatch):
    """Run email tasks as soon as they are queued; drop all other messages."""
    app.loader.import_default_modules()

    def at_once(name, args=(), *, queue, **_options):
        assert queue == app.amqp.router.route({}, name)["queue"].name == "cpu"
        if name in (emails.LETTER_TASK, alerts.ALERT_TASK, newcomers.TELL_TASK):
            app.tasks[name].apply(args=json.loads(json.dumps(args)))

    monkeypatch.setattr(app, "send_task", at_once)
