"""A site with something of everything on it, for the tests of every address."""

from types import SimpleNamespace

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from gallery.models import Act, ModerationAction
from generation.models import BlockedTerm
from generation.states import Status
from tests.factories import (
    BatchFactory,
    CollectionFactory,
    JobFactory,
    PresetFactory,
    ReportFactory,
    UserFactory,
    VideoFactory,
)


def _credential() -> dict:
    """What a browser hands over when a passkey is added."""
    key = ES256.from_cryptography_key(ec.derive_private_key(1, ec.SECP256R1()).public_key())
    credential = AttestedCredentialData.create(bytes(16), b"passkey", key)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    attestation = AttestationObject.create("none", AuthenticatorData.create(bytes(32), flags, 0, credential), {})
    client = CollectedClientData.create(type="webauthn.create", challenge=b"x", origin="https://example.org")
    named = {"id": websafe_encode(b"passkey"), "rawId": websafe_encode(b"passkey"), "type": "public-key"}
    response = {"clientDataJSON": websafe_encode(client), "attestationObject": websafe_encode(attestation)}
    return {**named, "clientExtensionResults": {}, "response": response}


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
    video = VideoFactory(user=owner, job=JobFactory(user=owner, status=Status.DONE, batch=batch, row=2))
    deleted = VideoFactory(user=owner, deleted_at=timezone.now())
    collection = CollectionFactory(user=owner)
    collection.items.create(video=video)
    unlisted = VideoFactory(user=owner, shared=True)
    public = VideoFactory(user=owner, public=True)
    preset = PresetFactory(user=owner)
    passkey = Authenticator.objects.create(
        user=owner, type=Authenticator.Type.WEBAUTHN, data={"name": "Key", "credential": _credential()}
    )
    for file in [*video.files, *unlisted.files, *public.files]:
        storages["default"].save(file.name, ContentFile(b"bytes"))
    report, term = ReportFactory(video=public), BlockedTerm.objects.create(term="toy gun")
    action = ModerationAction.objects.create(act=Act.WARN, person=owner)
    group = Group.objects.create(name="group")
    values = {
        "job_id": active.pk,
        "generation:retry:job_id": failed.pk,
        "generation:remove:job_id": failed.pk,
        "batch_id": batch.pk,
        "preset_id": preset.pk,
        "pk": passkey.pk,
        "video_id": video.pk,
        "gallery:restore:video_id": deleted.pk,
        "gallery:purge:video_id": deleted.pk,
        "collection_id": collection.pk,
        "gallery:embed:video_id": public.pk,
        "token": unlisted.share_token,
        "username": owner.username,
        "gallery:report:video_id": public.pk,
        "key": "no-such-key",
        "uidb36": "1",
        "id": owner.pk,
        "app_label": "generation",
        "url": "no-such-page",
        "content_type_id": 1,
        "object_id": owner.pk,
        **{f"admin:generation_job_{page}:object_id": active.pk for page in ("change", "delete", "history")},
        **{f"admin:generation_batch_{page}:object_id": batch.pk for page in ("change", "delete", "history")},
        **{f"admin:gallery_video_{page}:object_id": public.pk for page in ("change", "delete", "history")},
        **{f"admin:gallery_report_{page}:object_id": report.pk for page in ("change", "delete", "history")},
        **{f"admin:gallery_moderationaction_{page}:object_id": action.pk for page in ("change", "delete", "history")},
        **{f"admin:generation_blockedterm_{page}:object_id": term.pk for page in ("change", "delete", "history")},
        **{f"admin:account_emailaddress_{page}:object_id": email.pk for page in ("change", "delete", "history")},
        **{f"admin:generation_preset_{page}:object_id": preset.pk for page in ("change", "delete", "history")},
        **{f"admin:mfa_authenticator_{page}:object_id": passkey.pk for page in ("change", "delete", "history")},
        **{f"admin:auth_group_{page}:object_id": group.pk for page in ("change", "delete", "history")},
    }
    return SimpleNamespace(persons=persons, values=values)
