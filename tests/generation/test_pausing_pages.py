"""What pages show while all rendering is paused, and the buttons of the admin that pause and resume it."""

import io

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse

from generation.domain.states import RunStatus, Stage, Status
from generation.jobs.selectors import jobs_of, progress_of
from generation.models import RenderingPause, StageRun
from generation.queue import claims
from generation.queue.pausing import services as pausing
from generation.queue.pausing import state
from tests.factories import JobFactory, UserFactory, WorkerFactory, staff_with

pytestmark = pytest.mark.django_db

LIST = reverse("admin:generation_worker_changelist")
PAUSE, RESUME = reverse("admin:generation_worker_pause"), reverse("admin:generation_worker_resume")
LINE = "Rendering is paused on this site. Your clip waits and continues by itself."


@pytest.fixture
def crew():
    for queue in ("cpu", "generate", "interpolate", "upscale"):
        WorkerFactory(queues=[queue])


def page_of(client, job):
    return client.get(reverse("generation:job", args=[job.pk])).text


def test_a_clip_that_waits_says_why_and_promises_no_time(signed_in, user, crew):
    job = JobFactory(user=user)
    assert "ready in about" in page_of(signed_in, job)
    pausing.pause()
    page = page_of(signed_in, job)
    assert LINE in page
    assert "Paused" in page
    for promise in ("ready in about", "takes about", "left"):
        assert promise not in page
    assert "Your clips wait and continue by themselves." in signed_in.get(reverse("generation:jobs")).text
    pausing.resume()
    assert LINE not in page_of(signed_in, job)


def test_a_clip_that_a_worker_is_still_at_is_not_called_paused(user):
    job = JobFactory(user=user)
    held = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "gpu@here:1")
    pausing.pause()
    assert not progress_of(jobs_of(user).get()).is_site_paused
    pausing.put_back(held)
    found = progress_of(jobs_of(user).get())
    assert (found.is_site_paused, found.eta_seconds) == (True, None)


def test_a_clip_that_has_ended_or_is_being_encoded_is_not_paused(user):
    pausing.pause()
    JobFactory(user=user, status=Status.CANCELLED)
    encoding = JobFactory(user=user, status=Status.RUNNING)
    moments = {"started_at": encoding.queued_at, "heartbeat_at": encoding.queued_at}
    for stage, chunk in encoding.render_plan.units:
        status = RunStatus.RUNNING if stage is Stage.ASSEMBLE else RunStatus.DONE
        StageRun.objects.create(job=encoding, run=1, stage=stage, chunk=chunk, status=status, worker="w", **moments)
    assert [progress_of(job).is_site_paused for job in jobs_of(user)] == [False, False]


def test_the_create_page_says_that_new_clips_wait(signed_in, crew):
    pausing.pause()
    page = signed_in.get(reverse("generation:create")).text
    assert "Rendering is paused on this site: new clips wait and start by themselves." in page
    assert "Starts right away" not in page
    assert "Ready in about" not in page


def test_the_admin_pauses_and_resumes(client, crew):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = client.get(LIST).text
    assert "Pause rendering" in page
    assert "Resume rendering" not in page
    page = client.post(PAUSE, follow=True).text
    assert state.is_on()
    assert "Rendering is paused. Workers free their graphics cards within one step." in page
    assert "Rendering has been paused since" in page
    assert "Resume rendering" in page
    assert "Rendering was already paused." in client.post(PAUSE, follow=True).text
    assert "Each clip continues from the step where it stopped." in client.post(RESUME, follow=True).text
    assert not state.is_on()
    assert "Rendering was not paused." in client.post(RESUME, follow=True).text


def test_only_whoever_may_change_workers_may_pause(client):
    client.force_login(staff_with("view_worker"))
    assert "Pause rendering" not in client.get(LIST).text
    assert client.post(PAUSE).status_code == 403
    assert not RenderingPause.objects.exists()
    client.force_login(staff_with("view_worker", "change_worker"))
    assert "Pause rendering" in client.get(LIST).text
    assert client.get(PAUSE).status_code == 405
    client.post(PAUSE)
    assert RenderingPause.objects.exists()


def test_a_form_of_another_site_cannot_pause(crew):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert client.post(PAUSE).status_code == 403
    assert not state.is_on()


def test_the_pause_has_no_permissions_of_its_own():
    assert not Permission.objects.filter(content_type__model="renderingpause").exists()


def test_the_command_that_lists_workers_reminds_of_the_pause(crew):
    said = io.StringIO()
    call_command("workers", stdout=io.StringIO(), stderr=said)
    assert "paused" not in said.getvalue()
    pausing.pause()
    call_command("workers", "--json", stdout=io.StringIO(), stderr=said)
    assert "Rendering is paused. Resume it with:" in said.getvalue()
