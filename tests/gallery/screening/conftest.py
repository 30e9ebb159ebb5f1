"""A clip with real files, as a worker finds it, and messages that are kept instead of queued."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from auravideo.celery import app
from gallery.models import Screened, Screening, Video, Visibility
from tests.factories import VideoFactory, a_picture, a_request
from tests.workers.media.clips import draw_clip, encode


@pytest.fixture(scope="session")
def encoded(tmp_path_factory) -> bytes:
    return encode(tmp_path_factory.mktemp("clip"), "mp4", draw_clip(96, 64, 16), fps=8).read_bytes()


@pytest.fixture
def stored(encoded) -> dict:
    """Return the fields of a clip of two seconds whose video and poster can be decoded."""
    save = storages["default"].save
    names = {
        "video_file": save("videos/7/video.mp4", ContentFile(encoded)),
        "poster_file": save("videos/7/poster.webp", ContentFile(a_picture())),
    }
    return {"request": a_request(seed=1), "frames": 16, "fps": 8, "screening": Screened.UNSEEN, **names}


@pytest.fixture
def clip(user, stored) -> Video:
    return VideoFactory(user=user, **stored)


@pytest.fixture
def sent(monkeypatch) -> list[tuple]:
    """Capture messages as (task, first argument) instead of queueing them."""
    messages: list[tuple] = []
    monkeypatch.setattr(app, "send_task", lambda name, args=(), **_options: messages.append((name, *args[:1])))
    return messages


def scored(highest: float, screening: Screened = Screened.UNSEEN, **fields) -> Video:
    """Return a public video that was looked at before, with this score."""
    fields = {"visibility": Visibility.PUBLIC, "published_at": timezone.now(), "screening": screening, **fields}
    video = VideoFactory(**fields)
    now = timezone.now()
    Screening.objects.create(
        video=video,
        asked_at=now,
        sent_at=now,
        tried_at=now,
        network="open_nsfw",
        scores=[[None, 0.01], [0.0, highest]],
        highest=highest,
    )
    return video
