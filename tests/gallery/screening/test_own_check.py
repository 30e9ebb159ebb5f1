"""If a safety check is configured, only the owner sees a video before it has passed."""

from contextlib import suppress
from datetime import timedelta
from io import BytesIO

import pytest
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from auravideo import checks
from auravideo.celery import app
from auravideo.doctor import sharing as doctor
from auravideo.doctor.findings import NotApplicable, Problem
from gallery.models import MOST_ATTEMPTS, OwnCheck, Safety, Screened, Screening, Video, Visibility
from gallery.moderation import alerts
from gallery.moderation import services as moderation
from gallery.screening import own, tasks
from gallery.screening import services as screening
from gallery.sharing import safety, services
from tests.factories import VideoFactory, a_moderator, a_request
from tests.persons import sign_in

pytestmark = pytest.mark.django_db(transaction=True)

asked: list[tuple[dict, bytes]] = []


def no_hearts(request: dict, files: dict) -> bool:
    """Check a video as an operator's code would: by its prompt and its picture."""
    with files["poster"].open("rb") as poster:
        asked.append((request, poster.read()))
    return "heart" not in request["prompt"]


def fails(request: dict, files: dict) -> bool:
    raise RuntimeError("the model of the check is not there")


def is_away(request: dict, files: dict) -> bool:
    raise ConnectionError("the service of the check is down")


def sees(request: dict, files: dict) -> bool:
    """Look at the picture with Pillow, whose errors are OSErrors, as are those of a service that is away."""
    with files["poster"].open("rb") as poster:
        Image.open(poster).load()
    return True


def dies(request: dict, files: dict) -> bool:
    raise SystemExit("the process ended, and nothing below noted it")


@pytest.fixture(autouse=True)
def configured(settings):
    settings.SAFETY_CHECK = f"{__name__}.no_hearts"
    asked.clear()
    return settings


@pytest.fixture
def sent(monkeypatch):
    """Capture messages instead of queueing them."""
    messages = []
    monkeypatch.setattr(app, "send_task", lambda name, args, **options: messages.append((name, args[0], options)))
    return messages


@pytest.fixture
def stored(user):
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages

    name = storages["default"].save("videos/9/poster.webp", ContentFile(b"the poster"))
    return {"user": user, "poster_file": name}


@pytest.fixture
def star(stored):
    return VideoFactory(request=a_request(prompt="a blue star", seed=1), **stored)


def is_shown(client, video) -> bool:
    return client.get(reverse("gallery:video", args=[video.pk])).status_code == 200


def test_a_published_video_is_shown_once_it_has_passed(client, sent, star):
    services.set_visibility(star, Visibility.PUBLIC)
    assert sent == [(safety.CHECK_TASK, str(star.pk), {"queue": "cpu", "ignore_result": True})]
    assert not is_shown(client, star)
    tasks.check_safety(str(star.pk))
    assert asked == [(star.request, b"the poster")]
    assert is_shown(client, star)


def test_a_rejected_video_is_never_shown(client, sent, stored):
    heart = VideoFactory(**stored)
    services.set_visibility(heart, Visibility.UNLISTED)
    assert own.check(heart.pk) == Safety.REFUSED
    assert client.get(reverse("gallery:shared", args=[heart.share_token])).status_code == 404
    services.set_visibility(heart, Visibility.PUBLIC)
    assert not is_shown(client, heart)
    assert len(sent) == 1  # not checked a second time


def test_a_passed_video_is_not_checked_again(sent, star):
    services.set_visibility(star, Visibility.PUBLIC)
    own.check(star.pk)
    services.set_visibility(star, Visibility.PRIVATE)
    services.set_visibility(star, Visibility.PUBLIC)
    own.check(star.pk)
    assert (len(sent), len(asked)) == (1, 1)


def test_a_failed_check_keeps_the_video_hidden_and_is_retried(client, sent, star, configured, caplog):
    configured.SAFETY_CHECK = f"{__name__}.fails"
    services.set_visibility(star, Visibility.PUBLIC)
    tasks.check_safety(str(star.pk))
    assert "the model of the check is not there" in caplog.text
    assert Video.objects.get().safety == Safety.UNCHECKED
    assert not is_shown(client, star)
    sent.clear()
    configured.SAFETY_CHECK = f"{__name__}.no_hearts"
    assert tasks.check_left_over() == 1
    assert [message[:2] for message in sent] == [(safety.CHECK_TASK, str(star.pk))]
    tasks.check_safety(str(star.pk))
    assert is_shown(client, star)
    assert tasks.check_left_over() == 0


# --- A check that cannot look -----------------------------------------------------------------------------------------


def attempt(video, times: int = 1) -> None:
    """Ask for the check, each time so late that an attempt that has not ended is given up."""
    for _time in range(times):
        OwnCheck.objects.update(tried_at=timezone.now() - own.AGAIN_AFTER - timedelta(seconds=1))
        with suppress(SystemExit):
            tasks.check_safety(str(video.pk))


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_picture_that_cannot_be_read_is_no_service_that_is_away(sent, star, configured, is_cut_off):
    """Otherwise it would be tried forever."""
    configured.SAFETY_CHECK = f"{__name__}.sees"
    if is_cut_off:
        picture = BytesIO()
        Image.effect_noise((64, 64), 90).save(picture, "PNG")
        with star.poster_file.open("wb") as poster:
            poster.write(picture.getvalue()[:-500])
    services.set_visibility(star, Visibility.PUBLIC)
    attempt(star, MOST_ATTEMPTS)
    star.refresh_from_db()
    assert star.screening == Screened.FLAGGED
    assert OwnCheck.objects.get().problem == Screening.Problem.FILE


@pytest.mark.parametrize("way", ["fails", "dies"])
def test_after_three_attempts_a_moderator_decides_and_is_told(client, sent, star, configured, user, way):
    configured.SAFETY_CHECK = f"{__name__}.{way}"
    moderator = a_moderator()
    services.set_visibility(star, Visibility.PUBLIC)
    attempt(star, MOST_ATTEMPTS - 1)
    assert Video.objects.get().screening == Screened.PASSED, "it may be the last fault of the check"
    sent.clear()
    attempt(star, 2)
    assert Video.objects.get().screening == Screened.FLAGGED
    assert [message[:2] for message in sent] == [(alerts.WAITING_TASK, moderator.pk)]
    assert tasks.check_left_over() == 0, "and nothing is asked forever"
    client.force_login(user)
    page = client.get(reverse("gallery:video", args=[star.pk])).content.decode()
    assert "waits for a moderator, because the automatic safety check cannot look at it" in page
    client.logout()
    assert moderation.approve(moderator, star, "harmless")
    assert is_shown(client, star)


def test_what_a_moderator_refuses_stays_hidden_and_is_not_asked_for_again(client, sent, star, configured):
    configured.SAFETY_CHECK = f"{__name__}.fails"
    services.set_visibility(star, Visibility.PUBLIC)
    attempt(star, MOST_ATTEMPTS)
    assert moderation.refuse(a_moderator(), star, "no")
    assert tasks.check_left_over() == 0
    configured.SAFETY_CHECK = ""
    assert not is_shown(client, star)


def test_what_a_moderator_has_approved_before_is_shown_once_the_check_gives_up(client, sent, star, configured):
    configured.SAFETY_CHECK = f"{__name__}.fails"
    services.set_visibility(star, Visibility.PUBLIC)
    Video.objects.update(screening=Screened.APPROVED)
    attempt(star, MOST_ATTEMPTS - 1)
    assert not is_shown(client, star)
    attempt(star)
    assert is_shown(client, star)


def test_a_new_threshold_of_the_other_check_does_not_send_it_home(sent, star, configured):
    configured.SAFETY_CHECK = f"{__name__}.fails"
    services.set_visibility(star, Visibility.PUBLIC)
    Screening.objects.create(video=star, asked_at=timezone.now(), sent_at=timezone.now(), highest=0.01)
    attempt(star, MOST_ATTEMPTS)
    screening.apply_threshold()
    assert Video.objects.get().screening == Screened.FLAGGED


@pytest.mark.parametrize("path", [f"{__name__}.is_away", f"{__name__}.nothing", "no_such_module.check"])
def test_what_is_no_clips_fault_is_tried_again_and_operators_are_told(client, sent, star, configured, path):
    configured.SAFETY_CHECK = path
    services.set_visibility(star, Visibility.PUBLIC)
    attempt(star, MOST_ATTEMPTS + 2)
    assert Video.objects.get().screening == Screened.PASSED
    assert tasks.check_left_over() == 1
    with pytest.raises(Problem, match="could not look at 1 shared clips"):
        doctor.own_check()
    sign_in(client, a_moderator())
    assert "own check could not look at 1 clip" in client.get(reverse("admin-overview")).content.decode()
    configured.SAFETY_CHECK = f"{__name__}.no_hearts"
    attempt(star)
    assert OwnCheck.objects.count() == 0
    assert "can look" in doctor.own_check()
    assert "own check" not in client.get(reverse("admin-overview")).content.decode()


def test_the_doctor_has_nothing_to_say_where_there_is_no_check(configured):
    configured.SAFETY_CHECK = ""
    with pytest.raises(NotApplicable):
        doctor.own_check()


def test_a_clip_that_is_being_checked_is_not_checked_twice(sent, star, configured):
    configured.SAFETY_CHECK = f"{__name__}.dies"
    services.set_visibility(star, Visibility.PUBLIC)
    for _message in range(MOST_ATTEMPTS + 1):
        with suppress(SystemExit):
            tasks.check_safety(str(star.pk))
    assert OwnCheck.objects.get().attempts == 1


def test_videos_public_before_the_check_was_configured_are_checked(client, sent, star):
    Video.objects.update(visibility=Visibility.PUBLIC, published_at=timezone.now())
    assert not is_shown(client, star)
    assert tasks.check_left_over() == 1


def test_private_and_trashed_videos_are_not_checked(sent, star):
    assert own.check(star.pk) == Safety.UNCHECKED
    Video.objects.update(visibility=Visibility.PUBLIC, published_at=timezone.now(), deleted_at=timezone.now())
    assert own.check(star.pk) == Safety.UNCHECKED
    assert (tasks.check_left_over(), asked) == (0, [])


def test_sharing_works_if_the_broker_is_down(monkeypatch, star):
    def refuse(*_args, **_options):
        raise OSError("no broker")

    monkeypatch.setattr(app, "send_task", refuse)
    assert services.set_visibility(star, Visibility.PUBLIC)
    assert Video.objects.get().visibility == Visibility.PUBLIC


def test_without_a_check_nothing_is_asked_and_all_is_shown(client, sent, star, configured):
    configured.SAFETY_CHECK = ""
    services.set_visibility(star, Visibility.PUBLIC)
    assert sent == []
    assert is_shown(client, star)
    assert tasks.check_left_over() == 0


def test_the_task_is_known_goes_to_the_cpu_queue_and_is_scheduled():
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert "gallery.tasks.check_safety_left_over" in scheduled
    assert {safety.CHECK_TASK, "gallery.tasks.check_safety_left_over"} <= set(app.tasks)
    assert app.amqp.router.route({}, safety.CHECK_TASK)["queue"].name == "cpu"


@pytest.mark.parametrize("path", ["no_such_module.check", "nothing", "gallery.no_such_module.check"])
def test_a_missing_check_prevents_startup(configured, path):
    configured.SAFETY_CHECK = path
    assert [message.id for message in checks.check_safety()] == ["auravideo.E004"]


def test_an_existing_check_is_fine_and_so_is_none(configured):
    configured.SAFETY_CHECK = "gallery.screening.own.check"
    assert checks.check_safety() == []
    configured.SAFETY_CHECK = ""
    assert checks.check_safety() == []
