"""Account settings: name, language, theme, sessions, and the data export."""

import io
import json
import re
import zipfile

import pytest
from allauth.mfa.models import Authenticator
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse

from generation.domain.states import Status
from tests.factories import BatchFactory, JobFactory, PresetFactory, VideoFactory

pytestmark = pytest.mark.django_db

PAGES = ("accounts:profile", "accounts:data", "accounts:deactivate", "accounts:delete", "account_email")
PAGES += ("account_change_password", "mfa_index", "mfa_activate_totp", "account_logout")


def save(client, **changes):
    return client.post(reverse("accounts:profile"), {"full_name": "", "language": "", "theme": "", **changes})


def unzipped(response) -> zipfile.ZipFile:
    async def read() -> bytes:
        return b"".join([block async for block in response])

    archive = zipfile.ZipFile(io.BytesIO(async_to_sync(read)()))
    assert archive.testzip() is None
    return archive


@pytest.mark.parametrize("name", [name for name in PAGES if name != "account_logout"])
def test_every_settings_page_requires_signing_in(client, name):
    assert client.get(reverse(name)).url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", [name for name in PAGES if name != "mfa_activate_totp"])
def test_every_page_of_the_settings_has_the_menu_and_no_inline_code(signed_in, name):
    page = signed_in.get(reverse(name)).content.decode()
    assert 'aria-current="page"' in page
    for address in ("accounts:profile", "account_email", "account_change_password", "mfa_index", "accounts:data"):
        assert f'href="{reverse(address)}"' in page
    assert "style=" not in page
    assert "onclick" not in page


@pytest.mark.parametrize("name", ["set_language", "accounts:end-sessions", "accounts:theme", "accounts:download"])
def test_changes_require_a_post(signed_in, name):
    assert signed_in.get(reverse(name)).status_code == 405


# --- Profile ----------------------------------------------------------------------------------------------------------


def test_the_profile_is_saved(signed_in, user):
    response = save(signed_in, full_name=" Ada Lovelace ", language="pl", theme="dark")
    user.refresh_from_db()
    assert (user.full_name, user.language, user.theme) == ("Ada Lovelace", "pl", "dark")
    assert response.url == reverse("accounts:profile")
    assert signed_in.get(response.url).context["messages"]


@pytest.mark.parametrize(
    ("field", "value"), [("language", "xx"), ("theme", "pink"), ("full_name", "x" * 151), ("full_name", "a\0b")]
)
def test_errors_are_shown_at_the_field_and_nothing_is_saved(signed_in, user, field, value):
    response = save(signed_in, **{"full_name": "Ada", field: value})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    user.refresh_from_db()
    assert (user.full_name, user.language, user.theme) == ("", "", "")


def test_keys_are_switched_off_and_on(signed_in, user):
    page = signed_in.get(reverse("accounts:profile")).content.decode()
    assert re.search(r'<input type="checkbox" name="single_keys"[^>]* checked', page)
    assert " data-keys " in page
    save(signed_in)
    user.refresh_from_db()
    assert not user.single_keys
    assert " data-keys " not in signed_in.get(reverse("accounts:profile")).content.decode()
    save(signed_in, single_keys="on")
    user.refresh_from_db()
    assert user.single_keys


def test_the_profile_form_changes_nothing_else(signed_in, user):
    save(signed_in, full_name="Ada", is_staff="on", username="root", email="eve@example.org", is_superuser="1")
    before = (user.username, user.email, False, False)
    user.refresh_from_db()
    assert (user.username, user.email, user.is_staff, user.is_superuser) == before


# --- Language ---------------------------------------------------------------------------------------------------------


def language_of(response) -> str:
    assert f'<html lang="{response["Content-Language"]}"' in response.content.decode()
    return response["Content-Language"]


def test_the_browser_decides_where_nothing_was_chosen(client):
    assert language_of(client.get(reverse("home"), headers={"Accept-Language": "pl"})) == "pl"
    assert language_of(client.get(reverse("home"), headers={"Accept-Language": "en"})) == "en"


def test_the_cookie_goes_before_the_browser(client):
    response = client.post(reverse("set_language"), {"language": "pl", "next": reverse("home")})
    assert response.url == reverse("home")
    assert language_of(client.get(reverse("home"), headers={"Accept-Language": "en"})) == "pl"


def test_the_profile_goes_before_the_cookie(signed_in, user):
    signed_in.cookies["django_language"] = "en"
    user.language = "pl"
    user.save()
    assert language_of(signed_in.get(reverse("gallery:library"))) == "pl"


def test_the_footer_switch_updates_a_signed_in_users_profile(signed_in, user):
    user.language = "en"
    user.save()
    signed_in.post(reverse("set_language"), {"language": "pl"})
    assert language_of(signed_in.get(reverse("gallery:library"))) == "pl"
    signed_in.post(reverse("set_language"), {"language": "xx"})
    user.refresh_from_db()
    assert user.language == "pl"


def test_the_language_stays_after_signing_out(signed_in):
    save(signed_in, language="pl")
    signed_in.post(reverse("account_logout"))
    assert language_of(signed_in.get(reverse("home"), headers={"Accept-Language": "en"})) == "pl"


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_language_switch_leads_to_no_other_site(client, next):
    response = client.post(reverse("set_language"), {"language": "pl", "next": next})
    assert response.url == "/"


def test_a_language_that_no_profile_may_have_is_ignored(signed_in, user):
    user.language = "xx"
    user.save()
    assert language_of(signed_in.get(reverse("gallery:library"), headers={"Accept-Language": "pl"})) == "pl"


# --- Theme ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "cookie", "shown"),
    [("dark", "light", "dark"), ("", "light", "light"), ("", "", ""), ("", '"><script>', ""), ("light", "", "light")],
)
def test_the_theme_is_the_profiles_then_the_cookies_then_the_devices(signed_in, user, profile, cookie, shown):
    user.theme = profile
    user.save()
    signed_in.cookies["theme"] = cookie
    page = signed_in.get(reverse("gallery:library")).content.decode()
    head = page[: page.index("<head>")]
    assert (f'data-theme="{shown}"' in head) if shown else ("data-theme" not in head)


def test_the_button_saves_the_theme(signed_in, user):
    assert signed_in.post(reverse("accounts:theme"), {"theme": "light"}).status_code == 204
    assert signed_in.post(reverse("accounts:theme"), {"theme": "pink"}).status_code == 400
    user.refresh_from_db()
    assert user.theme == "light"


def test_following_the_device_deletes_the_cookie(signed_in):
    save(signed_in, theme="dark")
    assert signed_in.cookies["theme"].value == "dark"
    save(signed_in)
    assert signed_in.cookies["theme"].value == ""


# --- Sessions ---------------------------------------------------------------------------------------------------------


def test_signing_out_everywhere_else_spares_this_session(signed_in, user):
    elsewhere = Client()
    elsewhere.force_login(user)
    signed_in.post(reverse("accounts:end-sessions"))
    assert not get_user(elsewhere).is_authenticated
    assert get_user(signed_in) == user


# --- Data export ------------------------------------------------------------------------------------------------------


def test_the_zip_holds_the_profile_the_jobs_and_the_videos(signed_in, user):
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "topsecret"})
    job = JobFactory(user=user, status=Status.DONE, batch=BatchFactory(user=user, name="p.txt"), row=3, seed=7)
    failed = JobFactory(user=user, status=Status.FAILED, error_id="worker-lost", error_context={"attempts": "3"})
    stored = storages["default"].save("videos/1/video.mp4", ContentFile(b"moving pictures"))
    VideoFactory(user=user, job=job, title="Café / ../Żółw", video_file=stored)
    PresetFactory(user=user, name="Small and slow")
    response = signed_in.post(reverse("accounts:download"))
    assert response["Content-Type"] == "application/zip"
    archive = unzipped(response)
    video, settings = "videos/0001-café-żółw.mp4", "videos/0001-café-żółw.json"
    assert sorted(archive.namelist()) == ["jobs.json", "presets.json", "profile.json", "quota.json", settings, video]
    assert archive.read(video) == b"moving pictures"
    assert json.loads(archive.read(settings))["request"]["prompt"] == "a red heart rising over the sea"
    jobs = {row["id"]: row for row in json.loads(archive.read("jobs.json"))}
    assert jobs[str(job.pk)]["request"]["seed"] == 7
    assert (jobs[str(job.pk)]["batch"], jobs[str(job.pk)]["row"]) == ("p.txt", 3)
    assert jobs[str(failed.pk)]["error"]
    assert [preset["name"] for preset in json.loads(archive.read("presets.json"))] == ["Small and slow"]
    profile = json.loads(archive.read("profile.json"))
    assert (profile["user_name"], profile["email"]) == (user.username, user.email)
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert user.password not in everything
    assert "topsecret" not in everything


def test_the_zip_holds_nothing_of_anybody_else(signed_in, user, other_user):
    stored = storages["default"].save("videos/2/video.mp4", ContentFile(b"theirs"))
    job = JobFactory(user=other_user)
    VideoFactory(user=other_user, video_file=stored, title="theirs")
    PresetFactory(user=other_user)
    archive = unzipped(signed_in.post(reverse("accounts:download")))
    assert sorted(archive.namelist()) == ["jobs.json", "presets.json", "profile.json", "quota.json"]
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert str(job.pk) not in everything
    assert other_user.username not in everything
    assert json.loads(archive.read("jobs.json")) == json.loads(archive.read("presets.json")) == []


def test_many_jobs_are_read_page_by_page(user, monkeypatch):
    from generation import personal_data

    monkeypatch.setattr(personal_data, "PAGE", 2)
    jobs = [JobFactory(user=user) for _ in range(5)]
    rows = list(personal_data._records(user))
    assert [row["id"] for row in rows] == [job.pk for job in jobs]


def test_the_download_is_limited(signed_in):
    answers = [signed_in.post(reverse("accounts:download")).status_code for _ in range(7)]
    assert answers == [200] * 6 + [429]


def test_the_data_page_lists_what_is_stored(signed_in, user):
    VideoFactory(user=user, size=3 * 2**20)
    JobFactory(user=user)
    page = signed_in.get(reverse("accounts:data")).content.decode()
    assert "1 clip, 3.0" in page
    assert "1 request" in page
