"""Nobody can have the name of the operator, or one that looks like somebody else's."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.adapter import AccountAdapter
from accounts.models import User
from accounts.names.rules import is_reserved, sounds_official, validate_full_name
from accounts.names.skeletons import is_of_one_script, skeleton, skeletons
from tests.accounts.test_signup import error_at, sign_up
from tests.admin_forms import values_of
from tests.factories import UserFactory
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

CYRILLIC_ZED = "Z\u0435d"  # Latin, Cyrillic, Latin
CYRILLIC_SASHA = "\u0405\u0430\u0455\u04bb\u0430"  # looks like Sasha, all Cyrillic
CYRILLIC_COCO = "\u0441\u043e\u0441\u043e"


# --- What looks alike -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sasha", CYRILLIC_SASHA),
        ("coco", CYRILLIC_COCO),
        ("COCO", CYRILLIC_COCO.upper()),
        ("coco", CYRILLIC_COCO.upper()),
        ("Paul", "PauI"),
        ("paul", "pau1"),
        ("bob", "b0b"),
        ("modern", "modem"),
        ("ada", "\uff41\uff44\uff41"),  # full width
        ("ada", "\U0001d41a\U0001d41d\U0001d41a"),  # mathematical bold
        ("Łukasz", "łukasz"),
        ("żaneta", "z\u0307aneta"),
        ("straße", "strasse"),
    ],
)
def test_lookalikes_share_a_skeleton(one, other):
    assert skeleton(one) in skeletons(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("mai", "mal"), ("ada", "ida"), ("anna", "ana"), ("zed", "zeta"), ("Łukasz", "Lukasz"), ("ola", "ala")],
)
def test_different_names_have_different_skeletons(one, other):
    assert skeletons(one).isdisjoint(skeletons(other))


@pytest.mark.parametrize(
    "name", ["ada", "żaneta", "Ада", "αλφα", "田中ひろし", "たなか_Ken", "김철수", "אבג", "محمد", "ada-1.2"]
)
def test_names_of_one_script_or_of_those_written_together_are_welcome(name):
    assert is_of_one_script(name)


@pytest.mark.parametrize("name", [CYRILLIC_ZED, "adа", "αda", "Адa", "אda", "adаαβ"])
def test_mixtures_of_scripts_are_not(name):
    assert not is_of_one_script(name)


# --- Signing up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    (
        *(
            "admin",
            "Admin",
            "ADMIN",
            "support",
            "AuraVideo",
            "auravideo-team",
            "a.d.m.i.n",
            "admin_",
            "admin1",
            "admi\u0144",
            "supports",
            "adm1n",
        ),
        *(
            "the.administrator",
            "root",
            "moderator",
            "ｓｕｐｐｏｒｔ",
            "\u0430dmin",
            "no-reply",
            "deleted",
            "the-webmaster",
            "The.Root",
            "Aura.Video",
            "me",
        ),
    ),
)
def test_names_of_the_operator_are_refused(client, name):
    response = sign_up(client, username=name)
    assert error_at(response, "username")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "name",
    [
        "adminka",
        "rooty",
        "meg",
        "helper",
        "supporter",
        "modest",
        "aura",
        "videos-of-ada",
        "ada.help",
        "teamada",
        "jos\u00e9",
        "news-of-the-day",
        "theroots",
        "the-cat",
    ],
)
def test_names_that_only_begin_like_one_are_welcome(client, name):
    assert not is_reserved(name)
    assert sign_up(client, username=name).status_code == 302


@pytest.mark.parametrize("name", [".", "..", "_", "-"])
def test_a_name_without_a_letter_or_a_digit_is_refused(client, name):
    assert "needs a letter or a digit" in error_at(sign_up(client, username=name), "username")


@pytest.mark.parametrize("name", ["ZED", CYRILLIC_ZED, "ZEO", "Z3D", "zed\u200b", "ze\u202ed", "z\u00aded"])
def test_a_name_like_one_that_is_taken_is_refused_at_the_field(client, name):
    UserFactory(username="Zed" if name != "ZEO" else "ze0")
    if name == "Z3D":
        UserFactory(username="zЗd")  # with a Cyrillic letter, from before these rules
    response = sign_up(client, username=name)
    assert error_at(response, "username")
    assert not User.objects.filter(email="ada@example.com").exists()


def test_a_whole_name_in_another_script_is_refused_too(client):
    UserFactory(username="Sasha")
    response = sign_up(client, username=CYRILLIC_SASHA)
    assert "too much like" in error_at(response, "username")


@pytest.mark.parametrize("name", ["adaㅤ", "ada\u2800", "ad\u115fa", "ada\u202e", "ada\u2069", "a\u200dda", "\ufeffada"])
def test_usernames_have_no_invisible_characters(client, name):
    assert error_at(sign_up(client, username=name), "username")


def test_usernames_are_stored_in_one_unicode_form(client):
    sign_up(client, username="ｊｏａｎ")
    assert User.objects.get().username == "joan"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("names", [("ada", "ada"), ("Ada", "aDA"), ("Sasha", CYRILLIC_SASHA)])
def test_of_simultaneous_sign_ups_with_one_name_one_succeeds_and_the_others_hear_why(names, monkeypatch):
    """Both have been told that the name is free when they are stored: the database decides."""
    insert, answers = AccountAdapter._insert, []
    barrier = threading.Barrier(len(names), timeout=60)
    in_threads = connection.vendor != "sqlite" or not connection.is_in_memory_db()

    def insert_together(user, email):
        if in_threads:
            barrier.wait()
        else:  # its threads would share one connection
            User.objects.create(username=names[1], email="rival@example.com")
        return insert(user, email)

    def enter(number: int) -> None:
        answers.append(sign_up(Client(), username=names[number], email=f"person{number}@example.com"))
        connections.close_all()

    monkeypatch.setattr(AccountAdapter, "_insert", staticmethod(insert_together))
    threads = [threading.Thread(target=enter, args=(number,)) for number in range(len(names))]
    if in_threads:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    else:
        answers.append(sign_up(Client(), username=names[0]))
    (refused,) = [answer for answer in answers if answer.status_code == 200]
    assert error_at(refused, "username")
    assert len(answers) == (2 if in_threads else 1)
    assert User.objects.count() == 1


# --- The operator, and accounts that were there before ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["admin", "support", "AuraVideo"])
def test_the_operator_may_give_any_name(name):
    call_command("createsuperuser", username=name, email="op@example.com", interactive=False, verbosity=0)
    User.objects.get().full_clean(exclude=["password"])


def test_the_operators_command_says_that_a_name_is_too_similar():
    UserFactory(username="Sasha")
    with pytest.raises(CommandError, match="too much like"):
        call_command("createsuperuser", username=CYRILLIC_SASHA, email="op@example.com", interactive=False)


def test_the_operators_command_says_that_an_address_is_taken():
    UserFactory(email="op@example.com")
    with pytest.raises(CommandError, match="this email address already exists"):
        call_command("createsuperuser", username="somebody", email="op@example.com", interactive=False)


def test_the_administration_still_changes_an_account_whose_name_breaks_the_rules_of_today(client):
    """Or nobody could be given a permission who signed up before there were such rules."""
    mixed = UserFactory(username="\u0430dam", email="adam@example.com")
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    page = reverse("admin:accounts_user_change", args=[mixed.pk])
    sent = values_of(client.get(page)) | {"is_staff": "on"}
    answer = client.post(page, sent)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    mixed.refresh_from_db()
    assert mixed.is_staff
    response = client.post(page, sent | {"username": "\u0430nna"})
    assert "same alphabet" in str(response.context["adminform"].form.errors["username"])


def test_the_administration_says_it_at_the_field(client):
    UserFactory(username="Sasha")
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    form = {"username": CYRILLIC_SASHA, "usable_password": "false", "email": ""}
    response = client.post(reverse("admin:accounts_user_add"), form)
    assert "too much like" in str(response.context["adminform"].form.errors["username"])


def test_every_way_of_storing_a_user_is_guarded():
    User.objects.create_user("Sasha")
    with pytest.raises(IntegrityError):
        User.objects.create_user(CYRILLIC_SASHA)


def test_a_new_name_is_guarded_and_frees_the_old_one(user):
    UserFactory(username="Sasha")
    user.username = CYRILLIC_SASHA
    with pytest.raises(ValidationError, match="too much like"):
        user.full_clean()
    old, user.username = User.objects.get(pk=user.pk).username, "somebody"
    user.save(update_fields=["username"])
    assert User.objects.get(pk=user.pk).name_skeleton == skeleton("somebody")
    UserFactory(username=old, email="other@example.com")


def test_a_deleted_account_frees_its_name(user):
    name = user.username
    services.request_deletion(user)
    UserFactory(username=name)


def state_before(apps_and_names):
    executor = MigrationExecutor(connection)
    executor.migrate(apps_and_names)
    return executor.loader.project_state(apps_and_names).apps


@pytest.mark.django_db(transaction=True)
def test_accounts_from_before_keep_their_names_and_the_oldest_has_its_to_itself(client):
    try:
        Old = state_before([("accounts", "0008_push_subscriptions")]).get_model("accounts", "User")
        first, second, other = (Old.objects.create(username=name) for name in ("Sasha", CYRILLIC_SASHA, "admin"))
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    found = dict(User.objects.values_list("pk", "name_skeleton"))
    assert found == {first.pk: "sasha", second.pk: None, other.pk: "adrnin"}
    for user in User.objects.all():
        user.full_name = "Renamed"
        user.full_clean(exclude=["password"])
        user.save()
    assert User.objects.get(pk=second.pk).username == CYRILLIC_SASHA
    assert error_at(sign_up(client, username="sаshа"), "username")


# --- Full names, and other lines that people read ---------------------------------------------------------------------

HIDDEN = ["Ada\u202eecalevoL", "Ada \u2066x", "A\u200bda", "Ada\u00ad L", "Ad\u3164a", "Ada\u2800B", "A\u2028B"]
FINE = [
    "Ada Lovelace",
    "Żaneta Łoś",
    "Анна (Anna)",
    "محمد علی",
    "نمی\u200cدانم",
    "O’Hara",
    "👩\u200d🚀 Ada",
    "❤️ Ada",
    "1️⃣ Ada",
]


def profile(client, name: str):
    return client.post(reverse("accounts:profile"), {"full_name": name, "language": "", "theme": ""})


@pytest.mark.parametrize("name", [*HIDDEN, "Ad\u0430 Lovelace"])
def test_full_names_hide_and_turn_nothing(client, user, name):
    client.force_login(user)
    assert error_at(profile(client, name), "full_name")
    assert User.objects.get().full_name == ""


@pytest.mark.parametrize("name", FINE)
def test_full_names_of_all_languages_are_welcome(client, user, name):
    client.force_login(user)
    assert profile(client, name).status_code == 302
    assert User.objects.get().full_name == name
    validate_full_name(name)


def test_what_a_chat_app_put_around_a_name_is_dropped(client, user):
    client.force_login(user)
    profile(client, "\u2068Ada Lovelace\u2069\u200e")
    assert User.objects.get().full_name == "Ada Lovelace"


@pytest.mark.parametrize("name", ["AuraVideo", "AuraVideo Support", "Site Admin", "ＡＤＭＩＮ", "Moderator (Ada)"])
def test_full_names_do_not_speak_for_the_site(client, user, name):
    client.force_login(user)
    assert "reserved for the operator" in error_at(profile(client, name), "full_name")
    assert sounds_official(name)


def test_staff_may_say_so(client):
    client.force_login(UserFactory(is_staff=True))
    assert profile(client, "AuraVideo Support").status_code == 302
