"""Quotas in the admin: for everybody, on the pages of users and groups, and who is near one."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from generation.models import Quota
from tests.factories import LedgerEntryFactory, QuotaFactory, UserFactory, a_moderator, staff_with
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("admin:generation_quota_changelist"), reverse("admin:generation_quota_add")
EMPTY = {"quota-TOTAL_FORMS": "1", "quota-INITIAL_FORMS": "0", "quota-0-id": "", "quota-0-group": ""}


def test_an_operator_sets_the_quota_of_everybody_and_empty_fields_set_nothing(admin_client):
    assert admin_client.post(ADD, {"seconds_a_day": "120", "waiting": "0"}).status_code == 302
    quota = Quota.objects.get()
    assert (quota.seconds_a_day, quota.waiting, quota.max_side, str(quota)) == (120, 0, None, "everybody")
    page = admin_client.post(ADD, {"seconds_a_day": "9"})
    assert "There is already a quota for everybody." in page.content.decode()


@pytest.mark.parametrize("wrong", [{"max_side": "100"}, {"max_seconds": "0"}, {"waiting": "-1"}])
def test_sizes_and_lengths_that_no_clip_has_are_refused(admin_client, wrong):
    assert admin_client.post(ADD, wrong).status_code == 200
    assert not Quota.objects.exists()


def test_a_group_has_its_quota_on_its_own_page(client):
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))  # a group gives rights, which is confirmed
    group = Group.objects.create(name="Friends")
    address = reverse("admin:auth_group_change", args=[group.pk])
    asked = {"name": "Friends", **EMPTY, "quota-0-group": group.pk, "quota-0-seconds_a_day": "600"}
    assert client.post(address, asked).status_code == 302
    assert group.quota.seconds_a_day == 600
    assert 'value="600"' in client.get(address).content.decode()


def test_a_user_has_their_quota_on_their_own_page_for_those_who_may_set_it(admin_client, client):
    user = UserFactory()
    QuotaFactory(user=user, waiting=7)
    address = reverse("admin:accounts_user_change", args=[user.pk])
    assert 'name="quota-0-waiting"' in admin_client.get(address).content.decode()
    for person in (a_moderator(), staff_with("view_user", "change_user")):
        client.force_login(person)
        assert "quota-0-waiting" not in client.get(address).content.decode()
    client.force_login(staff_with("view_user", "change_user", "view_quota", "change_quota"))
    assert 'name="quota-0-waiting"' in client.get(address).content.decode()


def test_saving_a_user_without_a_quota_makes_none(admin_client, admin_user):
    sign_in(admin_client, admin_user)
    user = UserFactory()
    address = reverse("admin:accounts_user_change", args=[user.pk])
    form = admin_client.get(address).context["adminform"].form
    values = {name: form[name].value() for name in form.fields if form[name].value() not in (None, "", False)}
    moment = user.date_joined
    values |= {"date_joined_0": moment.date(), "date_joined_1": moment.time(), "is_active": "on"}
    values |= {"quota-TOTAL_FORMS": "0", "quota-INITIAL_FORMS": "0"}
    assert admin_client.post(address, values).status_code == 302
    assert not Quota.objects.exists()


def test_the_list_names_who_is_near_a_quota(admin_client):
    QuotaFactory(seconds_a_day=10)
    near, calm = UserFactory(username="nearly"), UserFactory(username="calm")
    LedgerEntryFactory(user=near, seconds=9)
    LedgerEntryFactory(user=calm, seconds=1)
    page = admin_client.get(LIST).content.decode()
    assert "Near a quota" in page
    assert "nearly" in page
    assert "9 of 10" in page
    assert "calm" not in page


def test_the_list_costs_no_query_per_quota(admin_client, django_assert_max_num_queries):
    QuotaFactory(seconds_a_day=10)
    with django_assert_max_num_queries(30) as few:
        admin_client.get(LIST)
    for _ in range(4):
        QuotaFactory(user=UserFactory(), waiting=1)
        QuotaFactory(group=Group.objects.create(name=UserFactory().username), waiting=1)
    LedgerEntryFactory.create_batch(3, seconds=9)
    with django_assert_max_num_queries(len(few) + 6):
        admin_client.get(LIST)
