"""Without the extra: nothing is traced, and a site that is told to says what is missing."""

import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from auravideo import checks, tracing
from tests.site import ROOT


def test_nothing_is_imported_unless_traces_are_wanted(tmp_path):
    code = "import auravideo.asgi, workers.tasks, sys; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    environment = {"PATH": "", "AURAVIDEO_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_traces_without_the_extra_stop_the_start(settings, monkeypatch):
    settings.TRACING_ENDPOINT = "http://collector:4318"
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ImproperlyConfigured, match=r"OTEL_EXPORTER_OTLP_ENDPOINT.*requirements-tracing\.txt"):
        tracing.start("web")


def test_without_traces_nothing_happens(client, db):
    tracing.start("web")
    tracing.describe(job="x")
    tracing.finish()
    assert client.get("/help/").status_code in (200, 302)


def test_the_system_checks_say_what_is_missing(settings, monkeypatch):
    assert checks.check_tracing() == []
    settings.TRACING_ENDPOINT = "http://collector:4318"
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    (found,) = checks.check_tracing()
    assert found.id == "auravideo.E007" and "requirements-tracing.txt" in found.hint
