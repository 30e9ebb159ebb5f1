"""Jobs in the admin: what operators see and can do."""

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.domain.states import Stage, Status
from generation.models import BlockedTerm, Job
from generation.queue import claims
from tests.factories import JobFactory, UserFactory, a_request
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

JOBS = reverse("admin:generation_job_changelist")
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nRuntimeError: <b>no memory</b>'


@pytest.fixture
def admin(client):
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def failed(user):
    job = JobFactory(user=user)
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker-7"), {})
    claims.fail(claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker-8"), "internal", {"reference": "abc"}, TRACEBACK)
    return Job.objects.get(pk=job.pk)


def page_of(admin, job) -> str:
    return admin.get(reverse("admin:generation_job_change", args=[job.pk])).content.decode()


def test_the_page_of_a_job_has_its_stages_its_error_and_the_traceback(admin, failed):
    page = page_of(admin, failed)
    for text in ("worker-7", "worker-8", "Preparing", "Generating", "Something went wrong on our side (reference abc)"):
        assert text in page
    assert page.count("Traceback (most recent call last):") == 2
    assert "RuntimeError: &lt;b&gt;no memory&lt;/b&gt;" in page
    assert "<b>no memory" not in page


def test_a_failed_job_is_retried_and_a_queued_one_cancelled_from_its_page(admin, failed):
    for job, action in ((failed, "retry_jobs"), (JobFactory(), "cancel_jobs")):
        page = page_of(admin, job)
        assert f'name="action" value="{action}"' in page
        assert f'action="{JOBS}"' in page
        admin.post(JOBS, {"action": action, "_selected_action": [job.pk]})
    assert sorted(Job.objects.values_list("status", flat=True)) == [Status.CANCELLED, Status.QUEUED]


def test_a_job_whose_prompt_is_blocked_now_is_not_tried_again_and_the_operator_reads_why(admin):
    BlockedTerm.objects.create(term="toy gun", message="Nothing with weapons.")
    job = JobFactory(status=Status.FAILED, request=a_request(prompt="a toy gun"), ended_at=timezone.now())
    page = admin.post(JOBS, {"action": "retry_jobs", "_selected_action": [job.pk]}, follow=True).content.decode()
    assert "Nothing with weapons." in page
    assert Job.objects.get().status == Status.FAILED


def test_jobs_are_found_by_their_error(admin, failed):
    JobFactory()
    assert admin.get(JOBS, {"error_id": "internal"}).context["cl"].result_list.get() == failed


def test_jobs_cannot_be_edited(admin, failed):
    address = reverse("admin:generation_job_change", args=[failed.pk])
    assert admin.post(address, {"status": "done"}).status_code == 403
