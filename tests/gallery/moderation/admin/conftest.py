"""A moderator who is signed in, and a report."""

import pytest

from auravideo.celery import app
from tests.factories import ReportFactory, staff_with
from tests.gallery.moderation.admin.pages import a_public_video
from tests.persons import sign_in


@pytest.fixture(autouse=True)
def _sent(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_args, **_options: None)


@pytest.fixture
def moderator():
    """Create a moderator from before the permissions were split, who may also pick."""
    return staff_with("moderate", "pick")


@pytest.fixture
def signed_in(client, moderator):
    sign_in(client, moderator)
    return client


@pytest.fixture
def report():
    return ReportFactory(video=a_public_video(), note="It is mine.")
