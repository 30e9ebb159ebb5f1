"""Without room on the disk no clip is accepted, and who asks for one is told so."""

import pytest
from django.urls import reverse

from auravideo.core import storage
from generation.domain.errors import WAITING, WARNINGS
from generation.domain.states import Status
from generation.models import Job
from generation.queue import services, submission
from tests.factories import JobFactory
from tests.generation.create.test_submitting import GOOD

pytestmark = pytest.mark.django_db(transaction=True)
SENTENCE = "The disk of this site is full or nearly so, and no new clips are accepted until there is room."


@pytest.fixture
def no_room(settings):
    settings.MIN_FREE_MB = 10**9


def test_the_form_says_so_and_keeps_what_was_typed(no_room, signed_in):
    response = signed_in.post(reverse("generation:create") + "?mode=advanced", GOOD)
    assert SENTENCE in response.content.decode()
    assert GOOD["prompt"] in response.content.decode()
    assert not Job.objects.exists()


def test_a_retry_is_refused_too(no_room, user):
    job = JobFactory(user=user, status=Status.FAILED)
    with pytest.raises(submission.NoRoom):
        services.retry(job)


def test_whatever_a_storage_is_missing_can_be_said():
    reasons = {storage.NO_ANSWER, storage.DISK_FULL, storage.DISK_READ_ONLY, storage.DISK_LOW}
    assert reasons < WAITING <= set(WARNINGS)
