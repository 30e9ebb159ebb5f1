"""Factories with sensible defaults for everything a test doesn't care about."""

import io
import secrets
from datetime import timedelta

import factory
from django.contrib.auth.models import Permission
from django.utils import timezone
from factory.django import DjangoModelFactory
from PIL import Image

from accounts.joining.models import Invitation
from accounts.models import User
from gallery.models import Collection, Reason, Report, Screened, Video, Visibility
from generation.models import Batch, Job, LedgerEntry, Preset, Quota, Worker
from generation.requests import available
from generation.requests.request import InvalidRequest, RenderRequest, parse

PASSWORD = "correct horse battery"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")
    password = factory.django.Password(PASSWORD)


class BatchFactory(DjangoModelFactory):
    class Meta:
        model = Batch

    user = factory.SubFactory(UserFactory)
    name = "prompts.txt"
    digest = factory.Sequence(lambda n: f"{n:064x}")


def a_request(**changes) -> dict:
    """Return a valid stored request."""
    data = {"prompt": "a red heart rising over the sea", **changes}
    return parse(data, available.catalogue(), available.limits()).to_dict()


def a_picture(width: int = 64, height: int = 36, format: str = "WEBP") -> bytes:
    """Return an encoded picture: the left half red, the right half blue."""
    picture, file = Image.new("RGB", (width, height), "red"), io.BytesIO()
    picture.paste("blue", (width // 2, 0, width, height))
    picture.save(file, format)
    return file.getvalue()


def planned(request: dict) -> dict | None:
    """Return the stored plan of a stored request; None if its model is not in the catalogue."""
    try:
        return available.plan_for(RenderRequest.from_dict(request)).to_dict()
    except InvalidRequest:  # or it was stored by an earlier version
        return None


class JobFactory(DjangoModelFactory):
    class Meta:
        model = Job

    user = factory.SubFactory(UserFactory)
    request = factory.LazyFunction(a_request)
    seed = factory.Sequence(int)
    plan = factory.LazyAttribute(lambda job: planned(job.request))
    queued_at = factory.LazyFunction(timezone.now)
    touched_at = factory.LazyFunction(timezone.now)


class WorkerFactory(DjangoModelFactory):
    class Meta:
        model = Worker

    name = factory.Sequence(lambda n: f"generate@host{n}")
    host = "host"
    pid = factory.Sequence(lambda n: 1000 + n)
    queues = ["generate"]
    device = "CPU"
    version = "0.1.0"
    memory_total = 12 * 10**9
    memory_free = 10 * 10**9
    warm = factory.LazyFunction(list)
    started_at = factory.LazyFunction(timezone.now)
    heartbeat_at = factory.LazyFunction(timezone.now)


class QuotaFactory(DjangoModelFactory):
    """A quota of everybody, unless it is given a user or a group."""

    class Meta:
        model = Quota


class LedgerEntryFactory(DjangoModelFactory):
    class Meta:
        model = LedgerEntry

    user = factory.SubFactory(UserFactory)
    seconds = 2
    size = 0
    counted_at = factory.LazyFunction(timezone.now)


class PresetFactory(DjangoModelFactory):
    class Meta:
        model = Preset

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"preset {n}")
    settings = factory.LazyFunction(
        lambda: {name: value for name, value in a_request(fps=16).items() if name not in ("prompt", "quality")}
    )


class VideoFactory(DjangoModelFactory):
    class Meta:
        model = Video

    user = factory.SubFactory(UserFactory)
    title = "A red heart rising over the sea"
    request = factory.LazyFunction(lambda: a_request(seed=1))
    width = 256
    height = 256
    frames = 48
    fps = 24
    size = 262_144
    video_file = "videos/1/video.mp4"
    poster_file = "videos/1/poster.webp"
    preview_file = "videos/1/preview.webp"
    thumbnail_file = "videos/1/thumbnail.webp"
    screening = Screened.PASSED  # most tests are not about the safety check
    stack_key = factory.Sequence(lambda n: f"{n:032x}")  # each on its own; "" stacks clips of the same request

    class Params:
        shared = factory.Trait(
            visibility=Visibility.UNLISTED, share_token=factory.LazyFunction(lambda: secrets.token_urlsafe(32))
        )
        public = factory.Trait(visibility=Visibility.PUBLIC, published_at=factory.LazyFunction(timezone.now))


class CollectionFactory(DjangoModelFactory):
    class Meta:
        model = Collection

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"collection {n}")


class ReportFactory(DjangoModelFactory):
    class Meta:
        model = Report

    video = factory.SubFactory(VideoFactory)
    visitor_key = factory.Sequence(lambda n: f"{n:032x}")
    reason = Reason.SPAM


def a_known_user(**fields) -> User:
    """Return a user whose account is old enough for their reports to count in full."""
    return UserFactory(date_joined=timezone.now() - timedelta(days=30), **fields)


def staff_with(*codenames: str, **fields) -> User:
    """Return a staff user with only these permissions."""
    person = UserFactory(is_staff=True, **fields)
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=person.pk)


def a_moderator(**fields) -> User:
    """Return a staff user who may only moderate."""
    return staff_with("moderate", **fields)


class InvitationFactory(DjangoModelFactory):
    class Meta:
        model = Invitation

    note = factory.Sequence(lambda n: f"for friend {n}")
