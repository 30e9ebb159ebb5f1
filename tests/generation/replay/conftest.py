"""A player for stored cases, and the models that some of them need."""

import pytest
from django.test import Client, override_settings

from tests.generation.replay.book import CATALOGUE
from tests.generation.replay.player import Player


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The operator's catalogue of the cases with `"world": true`."""
    path = tmp_path_factory.mktemp("world") / "catalogue.toml"
    path.write_text(CATALOGUE)
    return str(path)


@pytest.fixture(scope="session")
def browser():
    """One for all cases, since each client builds the middleware anew."""
    return Client()


@pytest.fixture
def play(browser, user, tmp_path, world, django_capture_on_commit_callbacks):
    """Play a case; gives what came of each step."""
    browser.cookies.clear()
    browser.force_login(user)

    def call(case):
        changes = {**case.get("settings", {}), **({"CATALOGUE_FILE": world} if case.get("world") else {})}
        with override_settings(**changes):
            return Player(browser, user, tmp_path, django_capture_on_commit_callbacks).play(case)

    return call
