"""Who may open the moderation's pages, and what they must not reach from there."""

import pytest
from django.urls import reverse

from accounts import services as accounts
from accounts.models import User
from gallery.models import ModerationAction, Video
from gallery.moderation import decisions, services
from generation.models import BlockedTerm
from tests.admin_forms import values_of
from tests.factories import UserFactory, staff_with
from tests.gallery.moderation.admin.pages import HISTORY, OVERVIEW, PEOPLE, QUEUE, TERMS, VIDEOS, WHY, act, texts
from tests.persons import sign_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("codenames", [(), ("view_report", "change_report", "view_video", "view_blockedterm")])
def test_staff_without_the_permission_sees_none_of_it(client, report, codenames):
    sign_in(client, staff_with(*codenames))
    index = client.get(reverse("admin:index")).content.decode()
    for address in (QUEUE, VIDEOS, HISTORY, TERMS, OVERVIEW):
        assert address not in index
        assert client.get(address).status_code == 403
    for name in ("gallery_report", "gallery_video"):
        row = report if name == "gallery_report" else report.video
        assert client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 403
    assert act(client, QUEUE, decisions.HIDE, report).status_code == 403
    assert not Video.objects.filter(hidden_at__isnull=False).exists()


def test_the_permission_gives_all_of_it_and_no_rights_over_accounts(signed_in, user):
    user.email = "somebody@secret.example"
    user.save()
    index = signed_in.get(reverse("admin:index")).content.decode()
    for address in (QUEUE, VIDEOS, HISTORY, TERMS, OVERVIEW, PEOPLE):
        assert address in index
        assert signed_in.get(address).status_code == 200
    address = reverse("admin:accounts_user_change", args=[user.pk])
    for page in (signed_in.get(PEOPLE), signed_in.get(address)):
        assert user.username in page.content.decode()
        assert "somebody@secret.example" not in page.content.decode()
    assert not signed_in.get(PEOPLE, {"q": "secret.example"}).context["cl"].result_list
    assert signed_in.post(address, {"username": "taken", "is_superuser": "on"}).status_code == 403
    assert signed_in.get(reverse("admin:accounts_user_add")).status_code == 403
    assert signed_in.get(reverse("admin:auth_user_password_change", args=[user.pk])).status_code == 403
    assert signed_in.get(reverse("admin:accounts_user_delete", args=[user.pk])).status_code == 403


def test_account_managers_without_the_permission_see_no_moderation(client, moderator, user):
    services.suspend(moderator, user, None, "a secret reason")
    sign_in(client, staff_with("view_user", "change_user"))
    response = client.get(reverse("admin:accounts_user_change", args=[user.pk]))
    assert response.status_code == 200
    assert "a secret reason" not in response.content.decode()
    assert 'value="suspend"' not in response.content.decode()


def test_a_suspension_is_not_ended_by_a_tick(client, moderator, user):
    services.suspend(moderator, user, None, WHY)
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    address = reverse("admin:accounts_user_change", args=[user.pk])
    assert client.post(address, values_of(client.get(address)) | {"is_active": "on"}).status_code == 302
    assert User.objects.get(pk=user.pk).is_suspended
    assert not User.objects.get(pk=user.pk).is_active


def test_moderators_list_the_terms_that_prompts_may_not_hold(signed_in):
    address = reverse("admin:generation_blockedterm_add")
    assert signed_in.post(address, {"term": "toy gun", "message": "No.", "is_active": "on"}).status_code == 302
    term = BlockedTerm.objects.get()
    change = reverse("admin:generation_blockedterm_change", args=[term.pk])
    assert signed_in.post(change, {"term": "toy gun", "message": ""}).status_code == 302
    assert not BlockedTerm.objects.get().is_active


@pytest.mark.parametrize("term", ["---", "!?", "\u200b"])
def test_a_term_without_a_word_would_block_nothing_and_is_refused(signed_in, term):
    response = signed_in.post(reverse("admin:generation_blockedterm_add"), {"term": term, "is_active": "on"})
    assert response.context["adminform"].errors
    assert not BlockedTerm.objects.exists()


def test_an_account_that_is_being_deleted_is_not_warned_or_suspended(signed_in, user):
    accounts.request_deletion(user)
    for decision in (decisions.WARN, decisions.SUSPEND):
        assert len(texts(act(signed_in, PEOPLE, decision, user, days="1"))) == 1
    assert not ModerationAction.objects.exists()


@pytest.mark.parametrize(
    "query", ["email__startswith=x", "is_superuser__exact=1", "last_login__isnull=1", "password=x"]
)
def test_moderators_cannot_filter_users_by_hidden_fields(signed_in, query):
    people = reverse("admin:accounts_user_changelist")
    assert signed_in.get(f"{people}?{query}").status_code in (302, 400)
    assert signed_in.get(f"{people}?is_active__exact=1").status_code == 200
    assert signed_in.get(f"{people}?suspended_at__isempty=1").status_code == 200
