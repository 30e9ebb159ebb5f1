"""Each permission opens exactly the pages listed here, and each decision requires the permission it names."""

import importlib
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts.models import User
from auravideo.celery import app
from gallery import access
from gallery.models import Video
from gallery.moderation import decisions
from gallery.moderation.decisions import Decision
from tests.addresses import addresses
from tests.factories import ReportFactory, UserFactory, VideoFactory, staff_with
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

OURS = ("accounts", "generation", "gallery")
ROOT = Path(__file__).resolve().parents[3]
DECISIONS = [value for value in vars(decisions).values() if isinstance(value, Decision)]
# The admin pages each permission opens, besides those open to all staff.
OPENS = {
    access.MODERATE: [
        "admin:accounts_user_changelist",
        "admin:gallery_moderationaction_changelist",
        "admin:gallery_report_changelist",
        "admin:gallery_video_changelist",
        "admin:generation_blockedterm_add",
        "admin:generation_blockedterm_changelist",
        "admin-overview",
    ],
    access.PICK: ["admin:gallery_video_changelist"],
}
PAGES = [each for each in addresses() if each.route.startswith("/admin/") and not each.parameters]


@pytest.fixture(autouse=True)
def _sent(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_args, **_options: None)


def codename(permission: str) -> str:
    return permission.partition(".")[2]


def opened_by(client, person) -> set[str]:
    sign_in(client, person)
    return {page.name for page in PAGES if client.get(page.route).status_code == 200}


def ours() -> set[str]:
    """Return the permissions our models define, beyond Django's default four."""
    options = [model._meta for model in apps.get_models()]
    return {
        f"{each.app_label}.{name}" for each in options if each.app_label in OURS for name, _text in each.permissions
    }


def test_every_permission_is_in_the_table_and_explained_to_operators():
    assert set(OPENS) == ours()
    guide = (ROOT / "docs" / "operating.md").read_text()
    texts = {permission: Permission.objects.get(codename=codename(permission)).name for permission in OPENS}
    assert [permission for permission, text in texts.items() if text not in guide] == []


def test_every_permission_is_kept_by_name_in_one_place():
    named = {value for name, value in vars(access).items() if name.isupper() and isinstance(value, str)}
    assert named == ours()


@pytest.mark.parametrize("permission", OPENS)
def test_a_permission_opens_what_the_table_says(client, permission):
    usual = opened_by(client, staff_with())
    assert opened_by(client, staff_with(codename(permission))) - usual == set(OPENS[permission])


def test_every_decision_names_a_permission_that_there_is():
    assert len(DECISIONS) > 8, "the decisions were not read"
    assert {decision.permission for decision in DECISIONS} <= set(OPENS)


def lists_of(decision: Decision) -> list[admin.ModelAdmin]:
    """Return the ModelAdmins that offer a decision."""
    found = [each for each in admin.site._registry.values() for action in each.actions or () if _is(action, decision)]
    assert found, f"no list offers {decision.name}"
    return found


def _is(action, decision: Decision) -> bool:
    return getattr(action, "__module__", "") == decisions.__name__ and action.__name__ == decision.name


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.name)
def test_only_its_permission_offers_a_decision(rf, decision):
    others = [codename(each) for each in OPENS if each != decision.permission]
    for model_admin in lists_of(decision):
        request = rf.get("/")
        request.user = staff_with(codename(decision.permission))
        assert decision.name in model_admin.get_actions(request)
        request.user = staff_with(*others, "change_user", "change_video", "change_report")
        assert decision.name not in model_admin.get_actions(request)


def decide(client, address: str, decision: Decision, row):
    values = {"action": decision.name, "_selected_action": row.pk, "why": "Lovely", "decided": "yes"}
    return client.post(reverse(address), values, follow=True)


def test_pickers_pick_public_videos_and_read_no_reports(client):
    public, hidden = VideoFactory(public=True), VideoFactory(public=True, title="A hidden one")
    Video.objects.filter(pk=hidden.pk).update(hidden_at=hidden.published_at)
    ReportFactory(video=public, note="A secret complaint")
    sign_in(client, staff_with("pick"))
    page = client.get(reverse("admin:gallery_video_changelist"))
    assert list(page.context["cl"].result_list) == [public]
    asked = client.post(
        reverse("admin:gallery_video_changelist"), {"action": "pick", "_selected_action": public.pk}
    ).content.decode()
    alone = client.get(reverse("admin:gallery_video_change", args=[public.pk])).content.decode()
    for text in (page.content.decode(), asked, alone):
        assert "A secret complaint" not in text
        assert reverse("admin:accounts_user_change", args=[public.user_id]) not in text
    decide(client, "admin:gallery_video_changelist", decisions.PICK, public)
    assert Video.objects.get(pk=public.pk).picked_at
    assert client.get(reverse("admin:gallery_video_change", args=[hidden.pk])).status_code == 302
    decide(client, "admin:gallery_video_changelist", decisions.HIDE, public)
    assert Video.objects.get(pk=public.pk).hidden_at is None


def test_moderators_without_the_pick_permission_cannot_pick(client):
    public = VideoFactory(public=True)
    sign_in(client, staff_with("moderate"))
    decide(client, "admin:gallery_video_changelist", decisions.PICK, public)
    assert Video.objects.get(pk=public.pk).picked_at is None


def test_existing_moderators_can_pick_after_the_update():
    """The migration runs on a site that had one permission for both."""
    Permission.objects.filter(codename="pick").delete()
    by_themselves, by_a_group, other = staff_with("moderate"), staff_with(), staff_with("view_video")
    group = Group.objects.create(name="moderators")
    group.permissions.add(Permission.objects.get(codename="moderate", content_type__app_label="gallery"))
    by_a_group.groups.add(group)
    migration = importlib.import_module("gallery.migrations.0006_pick_permission")
    for _again in range(2):
        migration.let_moderators_pick(apps, None)
    people = [User.objects.get(pk=person.pk) for person in (by_themselves, by_a_group, other)]
    assert [person.has_perm(access.PICK) for person in people] == [True, True, False]


def test_on_a_new_site_the_migration_has_nothing_to_do():
    UserFactory(is_staff=True)
    Permission.objects.filter(codename__in=("moderate", "pick")).delete()
    importlib.import_module("gallery.migrations.0006_pick_permission").let_moderators_pick(apps, None)
    assert not Permission.objects.filter(codename="pick").exists()
