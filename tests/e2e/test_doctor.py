"""The doctor on a real site: what the other tests of the doctor stand in for."""

import json

import pytest

from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]


def test_pages_and_websockets_of_a_real_site_are_well(tmp_path):
    site = Site(tmp_path / "home", only="web").start()
    try:
        findings = {found["check"]: found for found in json.loads(site.manage("doctor", "--json").stdout)}
    finally:
        site.stop()
    for check in ("home", "secrets", "database", "Redis", "pages", "WebSockets"):
        assert findings[check]["state"] == "ok", findings[check]
