"""A push service, which the site accepts and trusts."""

import pytest

from accounts.push import keys, services
from tests.rigs import push_service


@pytest.fixture
def service(tmp_path, settings, monkeypatch):
    with push_service.running(tmp_path) as service:
        settings.PUSH_SERVICES = [service.host]
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(service.authority))
        yield service


@pytest.fixture
def browser(service):
    return service.subscribe(keys.public_key())


@pytest.fixture
def subscription(user, browser):
    """The subscription of that browser, for `user`."""
    return services.subscribe(user, browser.told, "en")
