"""Fixtures for the replay tests: a player for recorded cases, and the models that some of them need."""

import pytest
from django.test import Client, override_settings

from tests.generation.replay.book import CATALOGUE
from tests.generation.replay.player import Player


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Write the operator catalogue for the cases with `"world": true` and return its path."""
    path = tmp_path_factory.mktemp("world") / "catalogue.toml"
    path.write_text(CATALOGUE)
    return str(path)


@pytest.fixture(scope="session")
def browser():
    """Return one client for all cases, because every client rebuilds the middleware."""
    return Client()


@pytest.fixture
def play(browser, user, tmp_path, world, django_capture_on_commit_callbacks):
    """Return a function that plays a case and returns the outcome of each step."""
    browser.cookies.clear()
    browser.force_login(user)

    def call(case):
        changes = {**case.get("settings", {}), **({"CATALOGUE_FILE": world} if case.get("world") else {})}
        with override_settings(**changes):
            return Player(browser, user, tmp_path, django_capture_on_commit_callbacks).play(case)

    return call
