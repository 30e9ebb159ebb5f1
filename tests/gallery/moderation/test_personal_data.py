"""A user's reports and notices are in their export, and are anonymous once the account is gone."""

import json

import pytest

from accounts import services as accounts
from auravideo.celery import app
from gallery import lifecycle
from gallery.models import ModerationAction, Reason, Report
from gallery.moderation import services
from tests.factories import VideoFactory, a_moderator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sent(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_args, **_options: None)


def handed_out(user) -> dict:
    """Return every JSON file of the user's export, by name."""
    entries = [entry for entry in accounts.export(user) if entry.name.endswith(".json")]
    return {entry.name: json.loads(b"".join(entry.read())) for entry in entries}


def test_reports_and_notices_are_exported(user, other_user):
    moderator, theirs = a_moderator(username="grzegorz"), VideoFactory(user=other_user)
    services.report(theirs, user, "key", Reason.SPAM, "tulips")
    services.warn(moderator, user, "no more tulips")
    services.warn(moderator, other_user, "somebody else’s")
    found = handed_out(user)
    assert [(row["video_id"], row["note"]) for row in found["reports.json"]] == [(str(theirs.pk), "tulips")]
    assert [row["reason"] for row in found["notices.json"]] == ["no more tulips"]
    assert "grzegorz" not in json.dumps(found)


def test_when_the_account_is_gone_the_history_stays_and_names_nobody(user, other_user):
    services.report(VideoFactory(user=other_user), user, "key", Reason.SPAM)
    services.warn(a_moderator(), user, "a warning")
    accounts.request_deletion(user)
    assert accounts.settle(user.pk)
    assert Report.objects.get().reporter is None
    assert ModerationAction.objects.get().person is None


def titles() -> dict[str, str]:
    return dict(ModerationAction.objects.values_list("act", "video_title"))


def test_what_the_person_called_their_clips_goes_with_the_account(user):
    """Not what was done, when, by whom and why: moderators answer for that."""
    moderator, video = a_moderator(username="mo"), VideoFactory(user=user, title="our house, Elm Street 5")
    services.hide(moderator, video, "it shows a house")
    services.restore(moderator, video, "they agreed")
    services.report(video, None, "key", Reason.SPAM)
    services.dismiss(moderator, video, "no spam")
    services.delete(moderator, video, "they did not")
    assert titles() == dict.fromkeys(("hide", "restore", "dismiss", "delete"), video.title)
    accounts.request_deletion(user)
    assert accounts.settle(user.pk)
    assert set(titles().values()) == {""}
    told = set(ModerationAction.objects.values_list("actor__username", "reason"))
    assert told >= {("mo", "it shows a house"), ("mo", "they did not")}


def test_a_title_in_an_entry_that_names_nobody_goes_with_the_clip(user):
    """A dismissal tells its owner nothing, so that nothing else would lead from the account to it."""
    moderator, video = a_moderator(), VideoFactory(user=user, title="our house, Elm Street 5")
    services.report(video, None, "key", Reason.SPAM)
    services.dismiss(moderator, video, "no spam")
    assert titles() == {"dismiss": video.title}, "while the clip is there"
    lifecycle.purge(video)
    assert titles() == {"dismiss": ""}
