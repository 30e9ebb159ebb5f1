"""Fixtures of the tests of accounts."""

import pytest

from accounts import tasks
from accounts.sign_in.mails import MAIL_TASK
from auravideo.celery import app


@pytest.fixture(autouse=True)
def _mails_are_sent_at_once(monkeypatch):
    """Run the task that sends emails as soon as it is queued; other tasks go to the broker."""
    send = app.send_task

    def send_task(name, args=(), **options):
        if name != MAIL_TASK:
            return send(name, args=args, **options)
        return tasks.send_mail.apply(args, throw=True)

    monkeypatch.setattr(app, "send_task", send_task)
