"""The life of the certificate that visitors get."""

from datetime import timedelta

import pytest

from auravideo.core.metrics import certificate
from generation.queue.monitoring.gauges import SiteCollector
from tests.rigs import tls
from tests.rigs.metrics import samples

LEFT = ("auravideo_certificate_expires_seconds",)


@pytest.mark.parametrize("life", [timedelta(days=60), timedelta(days=-3)])
def test_a_certificate_is_read_whether_or_not_it_has_expired(tmp_path, life):
    with tls.serving(tmp_path, life) as origin:
        assert certificate.expires_in(origin) == pytest.approx(life.total_seconds(), abs=30)


def test_it_is_looked_up_once_an_hour(tmp_path):
    with tls.serving(tmp_path, timedelta(days=60)) as origin:
        certificate.expires_in(origin)
    certificate.expires_in(origin)


@pytest.mark.django_db
def test_the_certificate_at_the_public_address_is_a_metric(settings, tmp_path):
    assert LEFT not in samples(SiteCollector().collect())
    with tls.serving(tmp_path, timedelta(days=10)) as origin:
        settings.HTTPS, settings.CSRF_TRUSTED_ORIGINS = True, ["https://*.example.org", origin]
        assert samples(SiteCollector().collect())[LEFT] == pytest.approx(864_000, abs=30)


@pytest.mark.django_db
def test_an_address_that_does_not_answer_costs_only_its_own_metric(settings):
    settings.HTTPS, settings.CSRF_TRUSTED_ORIGINS = True, ["https://127.0.0.1:1"]
    found = samples(SiteCollector().collect())
    assert LEFT not in found
    assert found["auravideo_up", "part=database"] == 1
