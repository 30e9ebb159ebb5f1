"""A site with something of everything on it, for the tests of every address."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from generation.states import Status
from tests.factories import BatchFactory, JobFactory, UserFactory, VideoFactory


@pytest.fixture
def world(db):
    """The five persons, and something of everything, all of it the owner's."""
    owner = UserFactory(username="owner")
    persons = {
        "anonymous": None,
        "owner": owner,
        "stranger": UserFactory(username="stranger"),
        "staff": UserFactory(username="staff", is_staff=True),
        "admin": UserFactory(username="admin", is_staff=True, is_superuser=True),
    }
    email = owner.emailaddress_set.create(email=owner.email, verified=True, primary=True)
    batch = BatchFactory(user=owner)
    active, failed = JobFactory(user=owner, batch=batch, row=1), JobFactory(user=owner, status=Status.FAILED)
    video = VideoFactory(user=owner, job=JobFactory(user=owner, status=Status.DONE))
    for name in (video.video_file.name, video.poster_file.name, video.preview_file.name):
        storages["default"].save(name, ContentFile(b"bytes"))
    group = Group.objects.create(name="group")
    values = {
        "job_id": active.pk,
        "generation:retry:job_id": failed.pk,
        "video_id": video.pk,
        "key": "no-such-key",
        "uidb36": "1",
        "id": owner.pk,
        "app_label": "generation",
        "url": "no-such-page",
        "content_type_id": 1,
        "object_id": owner.pk,
        **{f"admin:generation_job_{page}:object_id": active.pk for page in ("change", "delete", "history")},
        **{f"admin:generation_batch_{page}:object_id": batch.pk for page in ("change", "delete", "history")},
        **{f"admin:gallery_video_{page}:object_id": video.pk for page in ("change", "delete", "history")},
        **{f"admin:account_emailaddress_{page}:object_id": email.pk for page in ("change", "delete", "history")},
        **{f"admin:auth_group_{page}:object_id": group.pk for page in ("change", "delete", "history")},
    }
    return SimpleNamespace(persons=persons, values=values)
