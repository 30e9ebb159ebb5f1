"""If a safety check is configured, only the owner sees a video before it has passed."""

import pytest
from django.urls import reverse
from django.utils import timezone

from auravideo import checks
from auravideo.celery import app
from gallery.models import Safety, Video, Visibility
from gallery.sharing import safety, services, tasks
from tests.factories import VideoFactory, a_request

pytestmark = pytest.mark.django_db(transaction=True)

asked: list[tuple[dict, bytes]] = []


def no_hearts(request: dict, files: dict) -> bool:
    """Check a video as an operator's code would: by its prompt and its picture."""
    with files["poster"].open("rb") as poster:
        asked.append((request, poster.read()))
    return "heart" not in request["prompt"]


def fails(request: dict, files: dict) -> bool:
    raise RuntimeError("the model of the check is not there")


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
    assert safety.check(heart.pk) == Safety.REFUSED
    assert client.get(reverse("gallery:shared", args=[heart.share_token])).status_code == 404
    services.set_visibility(heart, Visibility.PUBLIC)
    assert not is_shown(client, heart)
    assert len(sent) == 1  # not checked a second time


def test_a_passed_video_is_not_checked_again(sent, star):
    services.set_visibility(star, Visibility.PUBLIC)
    safety.check(star.pk)
    services.set_visibility(star, Visibility.PRIVATE)
    services.set_visibility(star, Visibility.PUBLIC)
    safety.check(star.pk)
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


def test_videos_public_before_the_check_was_configured_are_checked(client, sent, star):
    Video.objects.update(visibility=Visibility.PUBLIC, published_at=timezone.now())
    assert not is_shown(client, star)
    assert tasks.check_left_over() == 1


def test_private_and_trashed_videos_are_not_checked(sent, star):
    assert safety.check(star.pk) == Safety.UNCHECKED
    Video.objects.update(visibility=Visibility.PUBLIC, published_at=timezone.now(), deleted_at=timezone.now())
    assert safety.check(star.pk) == Safety.UNCHECKED
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
    configured.SAFETY_CHECK = "gallery.sharing.safety.check"
    assert checks.check_safety() == []
    configured.SAFETY_CHECK = ""
    assert checks.check_safety() == []
