"""`manage.py workers` and the admin's page of workers."""

import io
import json
from datetime import timedelta

import pytest
import redis
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from generation.domain.states import Stage
from generation.models import Worker
from generation.queue import broker, claims
from generation.queue.monitoring import failing
from tests.factories import JobFactory, UserFactory, WorkerFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:generation_worker_changelist")


def workers(*arguments: str) -> str:
    out = io.StringIO()
    call_command("workers", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def busy(user):
    worker = WorkerFactory(name="generate@gpu1", device="NVIDIA H200", warm=["tiny/tiny-motion"])
    return claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, f"{worker.name}:7")


@pytest.fixture
def admin(client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_the_table_says_who_is_there_what_is_warm_and_what_they_do(busy):
    heading, row = workers().splitlines()
    assert heading.split() == ["NAME", "STATE", "QUEUES", "DEVICE", "MEMORY", "WARM", "DOING", "VERSION", "HEARD"]
    shown = ("generate@gpu1", "busy", "NVIDIA H200", "10.0 of 12.0 GB free", "tiny/tiny-motion", "0.1.0", "0 s ago")
    assert [text for text in (*shown, f"generate[0] of {str(busy.job_id)[:8]}") if text not in row] == []


NOTE = {"id": "on-cpu", "model": "FILM", "why": "CUDA_ERROR_INVALID_HANDLE"}
SAID = "FILM runs on the CPU, because the card cannot: CUDA_ERROR_INVALID_HANDLE"


def test_the_table_and_the_admin_say_how_a_model_runs_if_not_as_usual(admin):
    worker = WorkerFactory(name="interpolate@gpu1", warm=["tiny-film"], notes=[NOTE])
    assert f"tiny-film ({SAID})" in workers()
    (found,) = json.loads(workers("--json"))
    assert found["notes"] == [NOTE]
    for address in ("", f"{worker.pk}/change/"):
        assert SAID in admin.get(f"/admin/generation/worker/{address}").content.decode()


def test_a_note_of_another_version_is_shown_as_it_is():
    WorkerFactory(notes=[{"id": "of-tomorrow", "model": "FILM"}], warm=["film"])
    assert "film (id: of-tomorrow, model: FILM)" in workers()


def test_a_worker_of_the_version_before_has_no_notes():
    WorkerFactory(notes=None, warm=["film"])
    assert "film" in workers()
    assert json.loads(workers("--json"))[0]["notes"] == []


def test_json_has_bytes_times_and_the_whole_id(busy):
    busy.refresh_from_db()  # the database's clock says when it started
    (found,) = json.loads(workers("--json"))
    assert (found["state"], found["memory_total"], found["draining_since"]) == ("busy", 12 * 10**9, None)
    assert found["doing"] == [
        {"job": str(busy.job_id), "stage": "generate", "chunk": 0, "since": busy.started_at.isoformat()}
    ]


def test_nobody_there_is_said_with_what_to_do():
    assert "No worker is there. Start some" in workers()
    assert json.loads(workers("--json")) == []


@pytest.fixture
def exits():
    failing.report("gpu2:1", [failing.Failing("generate@gpu2", 6)])


def test_a_worker_that_keeps_exiting_is_named_beside_the_table(busy, exits):
    errors = io.StringIO()
    call_command("workers", "--json", stdout=io.StringIO(), stderr=errors)
    assert "generate@gpu2 keeps exiting (6 times in a row); its supervisor goes on trying." in errors.getvalue()


def test_a_worker_that_keeps_exiting_is_named_in_the_admin(admin, exits):
    assert "generate@gpu2 keeps exiting: 6 times in a row" in admin.get(LIST).text


def test_a_process_that_does_not_answer_is_named_in_the_admin(admin):
    failing.report("gpu2:1", [failing.Failing("site@gpu2", 0, is_silent=True)])
    page = admin.get(LIST).text
    assert "site@gpu2 runs but stopped answering, and is started again." in page
    assert "keeps exiting" not in page


def test_without_redis_the_admin_still_lists_the_workers(admin, busy, monkeypatch):
    gone = redis.Redis(unix_socket_path="/no/such/socket")
    monkeypatch.setattr(broker, "connection", lambda: gone)
    page = admin.get(LIST).text
    assert "generate@gpu1" in page
    assert "keeps exiting" not in page


def test_draining_and_back(busy):
    assert "draining" in workers("--drain", "generate@gpu1")
    assert Worker.objects.get().draining_since is not None
    assert "busy" in workers("--undrain", "generate@gpu1")
    assert Worker.objects.get().draining_since is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--drain"], "Name the workers"),
        (["--drain", "upscale@gpu9"], "no worker named upscale@gpu9. These are there: generate@gpu1."),
        (["--wait"], "--wait only makes sense with --drain"),
    ],
)
def test_mistakes_are_named(busy, arguments, says):
    with pytest.raises(CommandError, match=says):
        workers(*arguments)


def test_the_admin_lists_what_the_command_lists(admin, busy):
    page = admin.get(LIST).content.decode()
    for text in ("generate@gpu1", "busy", "NVIDIA H200", "10.0 of 12.0 GB", "tiny/tiny-motion", "Generating 1"):
        assert text in page
    assert reverse("admin:generation_job_change", args=[busy.job_id]) in page


def test_the_list_takes_the_same_queries_for_one_worker_and_for_many(admin, busy, django_assert_max_num_queries):
    WorkerFactory.create_batch(20)
    with django_assert_max_num_queries(8):
        admin.get(LIST)


def test_the_admin_drains_and_undrains_and_shows_no_dead_ones(admin, busy):
    worker = Worker.objects.get()
    admin.post(LIST, {"action": "drain", "_selected_action": [worker.pk]})
    assert Worker.objects.get().draining_since is not None
    assert "draining" in admin.get(LIST).content.decode()
    admin.post(LIST, {"action": "undrain", "_selected_action": [worker.pk]})
    assert Worker.objects.get().draining_since is None
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert "generate@gpu1" not in admin.get(LIST).content.decode()


def test_workers_are_neither_added_edited_nor_deleted_by_hand(admin, busy):
    page = reverse("admin:generation_worker_change", args=[Worker.objects.get().pk])
    assert admin.post(page, {"name": "other"}).status_code == 403
    assert admin.post(LIST, {"action": "delete_selected", "_selected_action": [Worker.objects.get().pk]}).status_code
    assert Worker.objects.count() == 1


def test_draining_needs_a_permission(client):
    from django.contrib.auth.models import Permission

    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_worker"))
    client.force_login(viewer)
    worker = WorkerFactory()
    assert worker.name in client.get(LIST).content.decode()
    client.post(LIST, {"action": "drain", "_selected_action": [worker.pk]})
    assert Worker.objects.get().draining_since is None
