"""A fully populated site, for the tests of every URL."""

import copy
import os
import shutil
from datetime import timedelta
from types import SimpleNamespace

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.files.storage import storages
from django.db import transaction
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from accounts.models import SecurityEvent
from gallery.models import Act, ModerationAction, RetentionRule, SafetyRule, Video
from generation.domain.states import Status
from generation.models import BlockedTerm
from tests.factories import (
    BatchFactory,
    CollectionFactory,
    InvitationFactory,
    JobFactory,
    PresetFactory,
    QuotaFactory,
    ReportFactory,
    UserFactory,
    VideoFactory,
    WorkerFactory,
    a_moderator,
    a_picture,
)

# URL values that belong to nobody.
NOWHERE = {
    "key": "no-such-key",
    "uidb36": "1",
    "url": "no-such-page",
    "app_label": "generation",
    "content_type_id": 1,
}


def _credential() -> dict:
    """Return what a browser submits when a passkey is added."""
    key = ES256.from_cryptography_key(ec.derive_private_key(1, ec.SECP256R1()).public_key())
    credential = AttestedCredentialData.create(bytes(16), b"passkey", key)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    attestation = AttestationObject.create("none", AuthenticatorData.create(bytes(32), flags, 0, credential), {})
    client = CollectedClientData.create(type="webauthn.create", challenge=b"x", origin="https://example.org")
    named = {"id": websafe_encode(b"passkey"), "rawId": websafe_encode(b"passkey"), "type": "public-key"}
    response = {"clientDataJSON": websafe_encode(client), "attestationObject": websafe_encode(attestation)}
    return {**named, "clientExtensionResults": {}, "response": response}


@pytest.fixture(scope="class")
def world_of_the_class(django_db_setup, django_db_blocker, tmp_path_factory):
    """Create the rows and files of `world` once per test class, in a transaction around each test's own."""
    with django_db_blocker.unblock(), transaction.atomic():
        made = _world()
        made.folder = tmp_path_factory.mktemp("world")
        for name in made.files:
            path = made.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(a_picture() if name.endswith("poster.webp") else b"bytes")
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def world(world_of_the_class, db):
    """Return six users and one of everything, owned by the owner: `persons`, and `values` for URLs."""
    media = storages["default"].location
    shutil.copytree(world_of_the_class.folder, media, copy_function=os.link, dirs_exist_ok=True)
    return copy.deepcopy(world_of_the_class)


def _world() -> SimpleNamespace:
    persons = {
        "anonymous": None,
        "owner": UserFactory(username="owner"),
        "stranger": UserFactory(username="stranger"),
        "staff": UserFactory(username="staff", is_staff=True),
        "moderator": a_moderator(username="moderator"),
        "admin": UserFactory(username="admin", is_staff=True, is_superuser=True),
    }
    owner = persons["owner"]
    values = {**_clips_of(owner), **_account_of(owner), **NOWHERE}
    files = [file.name for video in Video.objects.filter(deleted_at=None) for file in video.files]
    return SimpleNamespace(persons=persons, files=files, values=values)


def _clips_of(owner) -> dict[str, object]:
    """Return the URL values of jobs and videos; for parameters that differ between URLs, under the URL's name."""
    batch = BatchFactory(user=owner)
    active, failed = JobFactory(user=owner, batch=batch, row=1), JobFactory(user=owner, status=Status.FAILED)
    video = VideoFactory(user=owner, job=JobFactory(user=owner, status=Status.DONE, batch=batch, row=2))
    deleted = VideoFactory(user=owner, deleted_at=timezone.now())
    unlisted, public = VideoFactory(user=owner, shared=True), VideoFactory(user=owner, public=True)
    collection = CollectionFactory(user=owner)
    collection.items.create(video=video)
    return {
        "job_id": active.pk,
        "generation:retry:job_id": failed.pk,
        "generation:remove:job_id": failed.pk,
        "batch_id": batch.pk,
        "preset_id": (preset := PresetFactory(user=owner)).pk,
        "video_id": video.pk,
        "gallery:restore:video_id": deleted.pk,
        "gallery:trash-picture:video_id": deleted.pk,
        "gallery:purge:video_id": deleted.pk,
        "collection_id": collection.pk,
        "gallery:embed:video_id": public.pk,
        "gallery:report:video_id": public.pk,
        "token": unlisted.share_token,
        **_pages_of("generation_job", active),
        **_pages_of("generation_batch", batch),
        **_pages_of("generation_preset", preset),
        **_pages_of("generation_worker", WorkerFactory(heartbeat_at=timezone.now() + timedelta(days=1))),
        **_pages_of("generation_blockedterm", BlockedTerm.objects.create(term="toy gun")),
        **_pages_of("gallery_video", public),
        **_pages_of("gallery_report", ReportFactory(video=public)),
        **_pages_of("gallery_safetyrule", SafetyRule.objects.get_or_create(pk=1)[0]),
        **_pages_of("gallery_retentionrule", RetentionRule.objects.create(kind=RetentionRule.Kind.FAILED, days=30)),
        **_pages_of("gallery_moderationaction", ModerationAction.objects.create(act=Act.WARN, person=owner)),
    }


def _account_of(owner) -> dict[str, object]:
    data = {"name": "Key", "credential": _credential()}
    passkey = Authenticator.objects.create(user=owner, type=Authenticator.Type.WEBAUTHN, data=data)
    group = Group.objects.create(name="Friends")
    email = owner.emailaddress_set.create(email=owner.email, verified=True, primary=True)
    session = UserSession.objects.create(
        user=owner, ip="192.0.2.1", session_key="elsewhere", user_agent="Firefox/140.0"
    )
    return {
        "pk": passkey.pk,
        "session_id": session.pk,
        "username": owner.username,
        "id": owner.pk,
        "object_id": owner.pk,
        **_pages_of("account_emailaddress", email),
        **_pages_of("mfa_authenticator", passkey),
        **_pages_of("auth_group", group),
        **_pages_of("accounts_invitation", InvitationFactory()),
        **_pages_of("generation_quota", QuotaFactory(group=group, waiting=5)),
        **_pages_of("accounts_securityevent", SecurityEvent.objects.create(user=owner, kind="sign-in")),
        **_pages_of("admin_logentry", LogEntry.objects.create(user=owner, action_flag=1)),
    }


def _pages_of(model: str, row) -> dict[str, object]:
    """Return the URL values of the admin's change pages."""
    return {f"admin:{model}_{page}:object_id": row.pk for page in ("change", "delete", "history")}
