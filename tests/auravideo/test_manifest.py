"""The site can be installed: its manifest names what browsers ask for, and every icon is there in its size."""

import pytest
from django.contrib.staticfiles import finders
from django.urls import resolve, reverse
from PIL import Image

pytestmark = pytest.mark.django_db


@pytest.fixture
def manifest(client):
    response = client.get(reverse("manifest"))
    assert response["Content-Type"] == "application/manifest+json"
    return response.json()


def test_the_manifest_has_what_makes_a_site_installable(manifest):
    assert {"name", "short_name", "start_url", "display", "icons"} <= manifest.keys()
    assert manifest["display"] == "standalone"
    assert {icon["sizes"] for icon in manifest["icons"]} >= {"192x192", "512x512"}
    assert "maskable" in {icon["purpose"] for icon in manifest["icons"]}
    for address in (manifest["start_url"], *(shortcut["url"] for shortcut in manifest["shortcuts"])):
        assert resolve(address)


def test_every_icon_is_there_in_its_size(manifest):
    for icon in manifest["icons"]:
        path = finders.find(icon["src"].removeprefix("/static/"))
        assert path, icon
        with Image.open(path) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]


def test_pages_name_the_manifest(client):
    assert f'<link rel="manifest" href="{reverse("manifest")}">' in client.get(reverse("help")).text


def test_it_speaks_the_language_of_the_browser(client):
    polish = client.get(reverse("manifest"), headers={"Accept-Language": "pl"}).json()
    assert polish["shortcuts"][1]["name"] == "Kolejka"
