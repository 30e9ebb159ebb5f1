"""Usernames and email addresses cannot be confused with anyone else's."""

from itertools import chain

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from accounts.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def errors_of(user: User) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        user.full_clean()
    return caught.value.message_dict


def test_addresses_are_stored_in_lower_case():
    assert User.objects.create_user("ada", "Ada.L@Example.COM", "pw").email == "ada.l@example.com"


@pytest.mark.parametrize("name", ["anna@example.com", "two words", "tab\tname", "anna\n", "a/b", ""])
def test_a_user_name_that_looks_like_an_address_or_cannot_be_typed_is_refused(name):
    assert "username" in errors_of(User(username=name, email="x@example.com", password="x"))


@pytest.mark.parametrize("name", ["ada", "Ada.Lovelace", "ada+films", "ada_l-1815", "żaneta", "Ада"])
def test_names_of_any_alphabet_are_welcome(name):
    User(username=name, email="x@example.com", password="x").full_clean()


def test_a_user_name_is_taken_whatever_its_case():
    User.objects.create_user("Ada", "ada@example.com", "pw")
    errors = errors_of(User(username="aDA", email="other@example.com", password="x"))
    assert list(chain(*errors.values())) == ["This username is taken."]
    with pytest.raises(IntegrityError):
        User.objects.create_user("aDA", "other@example.com", "pw")


def test_an_address_is_taken_whatever_its_case():
    User.objects.create_user("ada", "ada@example.com", "pw")
    errors = errors_of(User(username="eve", email="ADA@example.com", password="x"))
    assert list(chain(*errors.values())) == ["An account with this email address already exists."]
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(username="eve", email="Ada@Example.com")])


def test_several_accounts_without_an_address_can_be_made_on_the_command_line():
    for name in ("batch-1", "batch-2"):
        User.objects.create_user(name).full_clean(exclude=["password"])
    assert User.objects.filter(email="").count() == 2


def test_the_full_name_falls_back_to_the_user_name():
    assert User(username="ada").get_full_name() == "ada"
    assert User(username="ada", full_name=" Ada Lovelace ").get_full_name() == "Ada Lovelace"
    assert User(username="ada", full_name="Ada Lovelace").get_short_name() == "ada"


def test_the_migrations_of_accounts_describe_the_model():
    from django.apps import apps

    loader = MigrationExecutor(connection).loader
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(loader.graph)
    assert "accounts" not in changes


@pytest.mark.parametrize(("taken", "wanted"), [("Łukasz", "łukasz"), ("ada", "ADA"), ("ЖАННА", "жанна")])
def test_a_user_name_is_unique_whatever_its_case_in_every_script(taken, wanted):
    User.objects.create_user(taken, "first@example.com", "pw")
    errors = errors_of(User(username=wanted, email="x@example.com", password="x"))
    assert "This username is taken." in [text for texts in errors.values() for text in texts]
    assert list(User.objects.named(wanted).values_list("username", flat=True)) == [taken]


def test_a_name_with_signs_of_regular_expressions_is_only_itself():
    User.objects.create_user("łx+a", "first@example.com", "pw")
    assert not User.objects.named("łx.a").exists()
    assert User.objects.named("ŁX+A").exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's own index ignores case in every script")
def test_forms_without_the_username_skip_its_check():
    User.objects.create_user("Łukasz", "first@example.com", "pw")
    other = UserFactory(username="somebody")
    User.objects.filter(pk=other.pk).update(username="łukasz", name_skeleton=None)  # from before the skeletons
    other.refresh_from_db()
    other.full_clean(exclude=["username"])
    other.save()
