"""What staff do is on record, and nobody edits the record."""

import json
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import SecurityEvent
from tests.accounts.staff.conftest import later
from tests.admin_forms import values_of
from tests.factories import PASSWORD, WorkerFactory

pytestmark = pytest.mark.django_db


def test_sign_ins_of_staff_are_listed_with_time_address_and_factor_and_failed_ones_too(signed_in_with_app, chief):
    Client().post(reverse("account_login"), {"login": "chief", "password": "x"}, REMOTE_ADDR="203.0.113.9")
    page = signed_in_with_app.get(reverse("admin:accounts_securityevent_changelist"), {"user__is_staff__exact": "1"})
    rows = [(event.kind, event.detail, event.ip) for event in page.context["cl"].result_list]
    assert rows == [("failed", "password", "203.0.113.9"), ("sign-in", "password+totp", "127.0.0.1")]


@pytest.mark.parametrize("model", ["accounts_securityevent", "admin_logentry"])
def test_nobody_adds_changes_or_deletes_an_entry(signed_in_with_app, chief, user, model):
    add = reverse("admin:auth_group_add")
    signed_in_with_app.post(add, values_of(signed_in_with_app.get(add)) | {"name": "Helpers"})
    entry = SecurityEvent.objects.first() if model == "accounts_securityevent" else LogEntry.objects.first()
    assert entry is not None
    address = reverse(f"admin:{model}_change", args=[entry.pk])
    assert signed_in_with_app.get(address).status_code == 200
    assert signed_in_with_app.post(address, {"user": user.pk}).status_code == 403
    assert signed_in_with_app.get(reverse(f"admin:{model}_add")).status_code == 403
    assert (
        signed_in_with_app.post(reverse(f"admin:{model}_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    )
    chosen = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    signed_in_with_app.post(reverse(f"admin:{model}_changelist"), chosen)
    assert type(entry).objects.filter(pk=entry.pk).exists()


def test_a_user_with_a_history_can_still_be_deleted(signed_in_with_app, user):
    SecurityEvent.objects.create(user=user, kind="sign-in")
    page = signed_in_with_app.get(reverse("admin:accounts_user_delete", args=[user.pk]))
    assert page.context["perms_lacking"] == set()


def test_actions_of_lists_and_pages_of_our_own_are_recorded(signed_in_with_app, chief):
    worker = WorkerFactory()
    chosen = {"action": "drain", "_selected_action": [worker.pk]}
    signed_in_with_app.post(reverse("admin:generation_worker_changelist"), chosen)
    signed_in_with_app.post(reverse("admin:generation_worker_pause"))
    found = LogEntry.objects.order_by("pk").values_list("user_id", "object_repr", "change_message")
    assert list(found) == [
        (chief.pk, str(worker), "Drain: finish the stage, take no more"),
        (chief.pk, "generation_worker_pause", "/admin/generation/worker/pause-rendering/"),
    ]


def test_the_action_that_was_carried_out_is_recorded_whatever_else_is_sent(signed_in_with_app):
    worker = WorkerFactory()
    chosen = {"action": ["drain", "delete_selected"], "index": "0", "_selected_action": [worker.pk]}
    signed_in_with_app.post(reverse("admin:generation_worker_changelist"), chosen)
    found = LogEntry.objects.values_list("change_message", flat=True)
    assert list(found) == ["Drain: finish the stage, take no more"]


def test_an_action_on_a_whole_list_is_recorded_as_such(signed_in_with_app):
    workers = [WorkerFactory(), WorkerFactory()]
    address = f"{reverse('admin:generation_worker_changelist')}?o=1"
    chosen = {"action": "drain", "_selected_action": [workers[0].pk], "select_across": "1"}
    signed_in_with_app.post(address, chosen)
    assert {entry.object_repr for entry in LogEntry.objects.all()} == {str(workers[0]), address}


def test_what_goes_on_after_a_confirmation_is_recorded_once(signed_in_with_app, chief, user):
    later(signed_in_with_app, 600)
    address = reverse("admin:accounts_user_change", args=[user.pk])
    signed_in_with_app.post(address, values_of(signed_in_with_app.get(address)) | {"is_staff": "on"})
    signed_in_with_app.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": address})
    user.refresh_from_db()
    assert user.is_staff
    assert [entry.object_repr for entry in LogEntry.objects.all()] == [user.username]


def test_signing_out_there_works_wherever_it_leads(signed_in_with_app):
    assert signed_in_with_app.post(f"{reverse('admin:logout')}?next=/").status_code == 302
    assert not get_user(signed_in_with_app).is_authenticated


def test_what_an_action_only_asks_about_is_not_recorded(signed_in_with_app, user, other_user):
    chosen = {"action": "delete_selected", "_selected_action": [user.pk]}
    assert signed_in_with_app.post(reverse("admin:accounts_user_changelist"), chosen).status_code == 200
    assert not LogEntry.objects.exists()


def test_the_whole_log_is_exported_a_line_each(signed_in_with_app, chief, user):
    add = reverse("admin:auth_group_add")
    signed_in_with_app.post(add, values_of(signed_in_with_app.get(add)) | {"name": "Żółw"})
    Client().post(reverse("account_login"), {"login": "nobody", "password": "x"})
    Client().post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    out = StringIO()
    call_command("audit_log", stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["who"], line["what"]) for line in lines] == [
        ("chief", "added"),
        ("chief", "sign-in"),
        (None, "failed"),
    ]
    assert lines[0]["name"] == "Żółw"
