"""Shared clips are shown once the built-in check has passed them; what it does not know, it never shows."""

import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from auravideo.celery import app
from auravideo.core.liveness import progress
from gallery.models import Act, SafetyRule, Screened, Screening, Strictness, Video, Visibility
from gallery.moderation import services as moderation
from gallery.screening import services, tasks
from gallery.sharing import safety
from gallery.sharing import services as sharing
from tests.factories import UserFactory, VideoFactory, a_moderator
from tests.gallery.screening.conftest import scored
from workers.safety.network import NAME

pytestmark = pytest.mark.django_db(transaction=True)

UNDECIDED_PLACES = ("gallery:video", "gallery:file", "gallery:cover", "gallery:embed")


def missing(files, frames, fps):
    raise ImportError("the package is not installed")


def unreachable(files, frames, fps):
    raise ConnectionError("the store does not answer")


def never(files, frames, fps):
    raise AssertionError("it was looked at again")


def broken(files, frames, fps):
    raise RuntimeError("a fault of ours")


def deadly(files, frames, fps):
    raise SystemExit("the process ended, and nothing below noted it")


@pytest.fixture(autouse=True)
def _messages(sent):
    """Queue nothing."""


def rule(**fields) -> SafetyRule:
    saved = SafetyRule(**fields)
    saved.save()
    return saved


def state(video) -> Screened:
    return Screened(Video.objects.get(pk=video.pk).screening)


def is_shown(client, video) -> bool:
    return client.get(reverse("gallery:video", args=[video.pk])).status_code == 200


def older(video, **ages: timedelta) -> None:
    """Date the record of a check back."""
    Screening.objects.filter(video=video).update(**{name: timezone.now() - age for name, age in ages.items()})


# --- Sharing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [Visibility.PUBLIC, Visibility.UNLISTED])
def test_a_harmless_clip_is_shown_once_the_real_network_has_seen_it(client, sent, clip, to):
    sharing.set_visibility(clip, to)
    assert sent == [(safety.SCREEN_TASK, str(clip.pk))]
    name, key = ("gallery:video", clip.pk) if to == Visibility.PUBLIC else ("gallery:shared", clip.share_token)
    assert client.get(reverse(name, args=[key])).status_code == 404
    tasks.screen(str(clip.pk))
    assert client.get(reverse(name, args=[key])).status_code == 200
    record = Screening.objects.get(video=clip)
    assert (record.network, record.problem, len(record.scores)) == (NAME, "", 6)
    assert record.highest == max(score for _second, score in record.scores) < 0.3


def test_clips_in_s3_are_looked_at_too(on_s3, request):
    clip = request.getfixturevalue("clip")  # after the storage has changed
    sharing.set_visibility(clip, Visibility.PUBLIC)
    tasks.screen(str(clip.pk))
    assert (state(clip), len(on_s3())) == (Screened.PASSED, 2)


@pytest.mark.parametrize("person", ["anonymous", "stranger"])
def test_no_address_shows_it_before(client, clip, other_user, person):
    sharing.set_visibility(clip, Visibility.PUBLIC)
    if person == "stranger":
        client.force_login(other_user)
    answers = {name: client.get(reverse(name, args=[clip.pk])).status_code for name in UNDECIDED_PLACES}
    assert answers == dict.fromkeys(UNDECIDED_PLACES, 404)
    tasks.screen(str(clip.pk))
    answers = {name: client.get(reverse(name, args=[clip.pk])).status_code for name in UNDECIDED_PLACES}
    assert answers == dict.fromkeys(UNDECIDED_PLACES, 200)


def test_private_clips_are_nobodys_business(sent, clip):
    assert services.screen(clip.pk) is None
    assert services.ask_left_over() == 0
    assert (sent, Screening.objects.count()) == ([], 0)


@pytest.mark.parametrize("ended", ["private", "trash"])
def test_a_clip_that_is_no_longer_shared_is_not_looked_at(clip, ended, settings):
    sharing.set_visibility(clip, Visibility.PUBLIC)
    settings.SAFETY_LOOK = f"{__name__}.never"
    if ended == "private":
        sharing.set_visibility(clip, Visibility.PRIVATE)
    else:
        Video.objects.update(deleted_at=timezone.now())
    assert services.screen(clip.pk) is None


def test_whoever_shares_many_lets_others_go_first(monkeypatch, user, other_user):
    priorities = []
    monkeypatch.setattr(app, "send_task", lambda *_args, **options: priorities.append(options.get("priority")))
    for _ in range(12):
        sharing.set_visibility(VideoFactory(user=user, screening=Screened.UNSEEN), Visibility.PUBLIC)
    sharing.set_visibility(VideoFactory(user=other_user, screening=Screened.UNSEEN), Visibility.UNLISTED)
    assert priorities == [*range(10), 9, 9, 0]
    Screening.objects.update(sent_at=timezone.now() - timedelta(minutes=3))
    priorities.clear()
    services.ask_left_over()
    assert priorities == [9] * 13  # sending them again must not move them forward


def test_what_was_looked_at_is_decided_from_its_scores(sent, clip, settings):
    sharing.set_visibility(clip, Visibility.PUBLIC)
    tasks.screen(str(clip.pk))
    sharing.set_visibility(clip, Visibility.PRIVATE)
    sharing.set_visibility(clip, Visibility.UNLISTED)
    assert len(sent) == 1
    settings.SAFETY_LOOK = f"{__name__}.never"
    Video.objects.update(screening=Screened.UNSEEN)
    assert services.screen(clip.pk) == Screened.PASSED


@pytest.mark.parametrize(("score", "expected"), [(0.69, Screened.PASSED), (0.7, Screened.FLAGGED)])
def test_the_threshold_itself_flags(score, expected):
    assert services.screen(scored(score).pk) == expected


@pytest.mark.parametrize(
    ("fields", "threshold"),
    [
        ({}, 0.7),
        ({"strictness": Strictness.LENIENT}, 0.9),
        ({"strictness": Strictness.STRICT, "own_threshold": 0.5}, 0.3),
        ({"strictness": Strictness.OWN, "own_threshold": 0.05}, 0.05),
    ],
)
def test_the_rule_says_the_threshold(fields, threshold):
    rule(**fields)
    assert SafetyRule.current().threshold == threshold


def test_a_flagged_clip_waits_is_noted_and_moderators_are_told_once_an_hour(sent, client):
    moderator = a_moderator()
    first, second = scored(0.95), scored(0.95)
    for video in (first, second, first):
        services.screen(video.pk)
    assert [sent.count((name, moderator.pk)) for name in ("gallery.tasks.alert_moderator_of_waiting",)] == [1]
    assert list(first.moderation_actions.values_list("act", "actor", "person")) == [(Act.WAIT, None, first.user_id)]
    assert not is_shown(client, first)


def test_approved_it_is_shown_and_never_held_back_again(client):
    moderator, video = a_moderator(), scored(0.95)
    services.screen(video.pk)
    assert moderation.approve(moderator, video, "a statue")
    assert is_shown(client, video)
    rule(strictness=Strictness.OWN, own_threshold=0.01)
    services.apply_threshold()
    assert (services.screen(video.pk), state(video)) == (None, Screened.APPROVED)


def test_refused_it_stays_away_even_if_the_check_is_off(client):
    moderator, video = a_moderator(), scored(0.95)
    services.screen(video.pk)
    assert moderation.refuse(moderator, video, "not here")
    rule(is_on=False)
    assert not is_shown(client, video)
    assert moderation.approve(moderator, video, "a mistake")
    assert is_shown(client, video)


def test_reports_do_not_hide_what_a_moderator_has_approved(client, settings):
    settings.AUTO_HIDE_REPORTS = 1
    moderator, video = a_moderator(), scored(0.95, Screened.FLAGGED)
    moderation.approve(moderator, video, "a statue")
    old = UserFactory(date_joined=timezone.now() - timedelta(days=30))
    assert moderation.report(video, old, "", "sexual")
    assert is_shown(client, video)


def test_only_what_waits_can_be_approved_or_refused():
    moderator, video = a_moderator(), scored(0.1, Screened.PASSED)
    assert not moderation.approve(moderator, video, "")
    assert not moderation.refuse(moderator, video, "")
    assert not video.moderation_actions.exists()


# --- Failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "problem"), [("missing", "missing"), ("unreachable", "storage"), ("broken", "other"), ("file", "file")]
)
def test_what_fails_stays_hidden_says_why_and_is_retried(client, sent, clip, settings, caplog, look, problem):
    if look == "file":
        clip.video_file.storage.delete(clip.video_file.name)
    else:
        settings.SAFETY_LOOK = f"{__name__}.{look}"
    sharing.set_visibility(clip, Visibility.PUBLIC)
    tasks.screen(str(clip.pk))
    assert (state(clip), Screening.objects.get(video=clip).problem) == (Screened.UNSEEN, problem)
    assert not is_shown(client, clip)
    assert f"({problem}); it will be retried" in caplog.text
    sent.clear()
    assert services.ask_left_over() == 0  # it has just been tried
    older(clip, tried_at=timedelta(minutes=6), sent_at=timedelta(minutes=6))
    assert services.ask_left_over() == 1
    assert sent == [(safety.SCREEN_TASK, str(clip.pk))]
    if look != "file":
        settings.SAFETY_LOOK = "workers.safety.look.look"
        tasks.screen(str(clip.pk))
        assert is_shown(client, clip)
        assert Screening.objects.get().problem == ""


def test_a_lost_message_is_sent_again(sent, clip):
    sharing.set_visibility(clip, Visibility.PUBLIC)
    sent.clear()
    assert services.ask_left_over() == 0
    older(clip, sent_at=timedelta(minutes=3))
    assert (services.ask_left_over(), services.ask_left_over()) == (1, 0)


def test_sharing_works_if_the_broker_is_down(monkeypatch, client, clip):
    def refuse(*_args, **_options):
        raise OSError("no broker")

    monkeypatch.setattr(app, "send_task", refuse)
    assert sharing.set_visibility(clip, Visibility.PUBLIC)
    assert not is_shown(client, clip)
    older(clip, sent_at=timedelta(minutes=3))
    assert services.to_screen().count() == 1


def test_a_clip_that_ends_its_worker_is_retried_like_any_failure_and_says_so(sent, clip, settings):
    settings.SAFETY_LOOK = f"{__name__}.deadly"
    sharing.set_visibility(clip, Visibility.PUBLIC)
    with pytest.raises(SystemExit):
        services.screen(clip.pk)
    older(clip, sent_at=timedelta(minutes=4))
    assert services.ask_left_over() == 0  # only what was never tried is sent again so soon
    older(clip, sent_at=timedelta(minutes=6), tried_at=timedelta(minutes=6))
    assert services.ask_left_over() == 1
    with pytest.raises(SystemExit):
        services.screen(clip.pk)
    assert Screening.objects.get(video=clip).problem == Screening.Problem.OTHER
    settings.SAFETY_LOOK = "workers.safety.look.look"
    services.screen(clip.pk)
    assert (state(clip), Screening.objects.get(video=clip).problem) == (Screened.PASSED, "")


def fail(clip, times: int) -> None:
    """Let the check be tried so often, as the sweep does."""
    for _ in range(times):
        older(clip, sent_at=timedelta(minutes=6), tried_at=timedelta(minutes=6))
        with suppress(SystemExit):
            services.screen(clip.pk)


def shared_meanwhile(files, frames, fps):
    """Let the owner share the clip again while it is looked at, as often as there are workers to look at it."""
    video = Video.objects.get(video_file=files["video"].name)
    sharing.set_visibility(video, Visibility.PRIVATE)
    sharing.set_visibility(video, Visibility.PUBLIC)
    services.screen(video.pk)
    return {"network": NAME, "scores": [[None, 0.01]]}


def test_nobody_calls_a_moderator_by_sharing_a_clip_again_while_it_is_looked_at(client, clip, settings):
    settings.SAFETY_LOOK = f"{__name__}.shared_meanwhile"
    sharing.set_visibility(clip, Visibility.PUBLIC)
    services.screen(clip.pk)
    assert (state(clip), clip.moderation_actions.count()) == (Screened.PASSED, 0)


@pytest.mark.parametrize("look", ["deadly", "broken", "file"])
def test_a_clip_that_makes_the_check_fail_again_and_again_is_looked_at_by_a_moderator(client, clip, settings, look):
    if look == "file":
        clip.video_file.storage.delete(clip.video_file.name)
    else:
        settings.SAFETY_LOOK = f"{__name__}.{look}"
    sharing.set_visibility(clip, Visibility.PUBLIC)
    fail(clip, 2)
    assert state(clip) == Screened.UNSEEN
    fail(clip, 2)
    assert (state(clip), is_shown(client, clip)) == (Screened.FLAGGED, False)
    assert clip.moderation_actions.get().act == Act.WAIT
    settings.SAFETY_LOOK = f"{__name__}.never"
    services.apply_threshold()
    assert services.screen(clip.pk) is None
    assert moderation.approve(a_moderator(), clip, "fine")
    assert is_shown(client, clip)


@pytest.mark.parametrize("look", ["missing", "unreachable"])
def test_an_outage_of_ours_is_no_reason_to_trouble_moderators(clip, settings, look):
    settings.SAFETY_LOOK = f"{__name__}.{look}"
    sharing.set_visibility(clip, Visibility.PUBLIC)
    fail(clip, 9)
    assert state(clip) == Screened.UNSEEN
    settings.SAFETY_LOOK = "workers.safety.look.look"
    fail(clip, 1)
    assert state(clip) == Screened.PASSED


def test_sharing_again_gives_a_clip_that_ends_workers_no_more_attempts(clip, settings):
    settings.SAFETY_LOOK = f"{__name__}.deadly"
    for _ in range(services.MOST_ATTEMPTS):
        sharing.set_visibility(clip, Visibility.PUBLIC)
        with pytest.raises(SystemExit):
            services.screen(clip.pk)
        sharing.set_visibility(clip, Visibility.PRIVATE)
    sharing.set_visibility(clip, Visibility.PUBLIC)
    assert services.screen(clip.pk) == Screened.UNSEEN, "the last attempt might be at work"
    older(clip, tried_at=timedelta(minutes=6))
    assert services.screen(clip.pk) == Screened.FLAGGED


def test_an_earlier_video_that_ends_workers_is_left_alone_after_a_while(client, clip, settings):
    settings.SAFETY_LOOK = f"{__name__}.deadly"
    Video.objects.update(screening=Screened.EARLIER, visibility=Visibility.PUBLIC, published_at=timezone.now())
    fail(clip, services.MOST_ATTEMPTS + 1)
    older(clip, sent_at=timedelta(minutes=6), tried_at=timedelta(minutes=6))
    assert services.ask_left_over() == 0
    assert (state(clip), is_shown(client, clip)) == (Screened.EARLIER, True)


def test_a_check_has_minutes_and_not_the_half_hour_of_other_tasks(clip, settings):
    """Its worker's parent ends it after that (tests/e2e/test_hangs_of_the_check.py)."""
    settings.HANG_AFTER_SECONDS, settings.LOAD_WITHIN_SECONDS = 100, 10_000
    settings.SAFETY_LOOK = f"{__name__}.note_when_due"
    progress.open_board()
    progress.take_slot(0)
    progress.expect(settings.LOAD_WITHIN_SECONDS)  # as the worker does for every task
    try:
        sharing.set_visibility(clip, Visibility.PUBLIC)
        services.screen(clip.pk)
    finally:
        progress.rest()
    assert 90 < due_in.pop() <= 100


due_in: list[float] = []


def note_when_due(files, frames, fps):
    due_in.extend(sign.due - time.monotonic() for sign in progress.signs())
    return {"network": NAME, "scores": [[None, 0.1]]}


@pytest.mark.parametrize(("decide", "becomes"), [("approve", Screened.APPROVED), ("refuse", Screened.REFUSED)])
def test_moderators_need_not_wait_for_a_check_that_is_late(client, clip, settings, decide, becomes):
    sharing.set_visibility(clip, Visibility.PUBLIC)
    assert getattr(moderation, decide)(a_moderator(), clip, "I looked")
    assert (state(clip), is_shown(client, clip)) == (becomes, becomes == Screened.APPROVED)
    settings.SAFETY_LOOK = f"{__name__}.never"
    assert services.screen(clip.pk) is None


def test_moderators_decide_nothing_about_what_is_private(clip):
    assert not moderation.approve(a_moderator(), clip, "")
    assert not moderation.refuse(a_moderator(), clip, "")


# --- The rule ---------------------------------------------------------------------------------------------------------


def test_switched_off_nothing_is_asked_and_all_but_the_refused_is_shown(client, sent, clip):
    rule(is_on=False)
    sharing.set_visibility(clip, Visibility.PUBLIC)
    waiting, refused = scored(0.95, Screened.FLAGGED), scored(0.95, Screened.REFUSED)
    assert [is_shown(client, video) for video in (clip, waiting, refused)] == [True, True, False]
    assert (services.screen(clip.pk), services.ask_left_over(), sent) == (None, 0, [])


def test_switched_on_again_what_was_shown_stays_until_it_is_checked(client, clip):
    rule(is_on=False)
    sharing.set_visibility(clip, Visibility.PUBLIC)
    rule(is_on=True)
    assert services.switch_on() == 1
    assert (state(clip), is_shown(client, clip)) == (Screened.EARLIER, True)
    assert services.screen(clip.pk) == Screened.PASSED


def test_without_a_row_the_check_is_on(client, clip):
    SafetyRule.objects.all().delete()
    sharing.set_visibility(clip, Visibility.PUBLIC)
    assert not is_shown(client, clip)
    assert SafetyRule.current().threshold == 0.7


def test_a_stricter_threshold_is_applied_to_the_scores_that_are_known(client, settings):
    settings.SAFETY_LOOK = f"{__name__}.never"
    below, above = scored(0.2, Screened.PASSED), scored(0.5, Screened.PASSED)
    private = scored(0.5, Screened.PASSED, visibility=Visibility.PRIVATE, published_at=None)
    rule(strictness=Strictness.STRICT)
    tasks.apply_threshold()
    assert [state(video) for video in (below, above, private)] == [Screened.PASSED, Screened.FLAGGED, Screened.UNSEEN]
    assert not private.moderation_actions.exists()  # nobody waits for a private clip
    sharing.set_visibility(private, Visibility.PUBLIC)
    assert services.screen(private.pk) == Screened.FLAGGED
    rule(strictness=Strictness.LENIENT)
    tasks.apply_threshold()
    assert [state(video) for video in (below, above, private)] == [Screened.PASSED] * 3
    assert list(above.moderation_actions.order_by("created_at").values_list("act", flat=True)) == [Act.WAIT, Act.PASS]


def test_many_are_decided_in_several_messages(sent, monkeypatch):
    monkeypatch.setattr(services, "DECIDED_AT_ONCE", 2)
    for _ in range(3):
        scored(0.5, Screened.PASSED)
    rule(strictness=Strictness.STRICT)
    tasks.apply_threshold()
    assert [name for name, *_ in sent] == [safety.APPLY_TASK]
    tasks.apply_threshold()
    assert Video.objects.filter(screening=Screened.FLAGGED).count() == 3


# --- Videos shared before there was a check ---------------------------------------------------------------------------


def test_earlier_videos_stay_visible_and_are_checked_slowly_when_nobody_waits(client, sent, clip, monkeypatch):
    monkeypatch.setattr(services, "EARLIER_AT_ONCE", 2)
    fields = {"screening": Screened.EARLIER, "visibility": Visibility.PUBLIC, "published_at": timezone.now()}
    earlier = [VideoFactory(**fields) for _ in range(3)]
    assert is_shown(client, earlier[0])
    sharing.set_visibility(clip, Visibility.PUBLIC)
    older(clip, sent_at=timedelta(minutes=3))
    sent.clear()
    assert services.ask_left_over() == 1  # whoever waits comes first
    assert sent == [(safety.SCREEN_TASK, str(clip.pk))]
    assert [services.ask_left_over() for _ in range(3)] == [2, 1, 0]


def test_they_let_clips_that_are_being_made_go_first(monkeypatch, clip):
    priorities = []
    monkeypatch.setattr(app, "send_task", lambda *_args, **options: priorities.append(options.get("priority")))
    VideoFactory(screening=Screened.EARLIER, visibility=Visibility.PUBLIC, published_at=timezone.now())
    services.ask_left_over()
    sharing.set_visibility(clip, Visibility.PUBLIC)
    assert priorities == [9, 0]


def test_an_earlier_video_that_cannot_be_read_stays_as_it_was(client):
    video = VideoFactory(screening=Screened.EARLIER, visibility=Visibility.PUBLIC, published_at=timezone.now())
    tasks.screen(str(video.pk))
    assert (state(video), is_shown(client, video)) == (Screened.EARLIER, True)


# --- Tasks ------------------------------------------------------------------------------------------------------------


def test_the_tasks_are_known_go_to_the_cpu_queue_and_the_sweep_is_scheduled():
    app.loader.import_default_modules()
    names = {safety.SCREEN_TASK, safety.APPLY_TASK, "gallery.tasks.screen_left_over"}
    assert names <= set(app.tasks)
    assert {app.amqp.router.route({}, name)["queue"].name for name in names} == {"cpu"}
    assert "gallery.tasks.screen_left_over" in {entry["task"] for entry in app.conf.beat_schedule.values()}
