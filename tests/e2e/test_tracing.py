"""One trace leads from the page that queued a clip to its last stage. `make test-tracing` installs what it needs."""

import os
import re

import pytest
import requests

from tests.rigs.collector import collecting
from tests.site import PASSWORD, USER, Site

pytest.importorskip("opentelemetry.sdk", reason="the extra is not installed: make test-tracing")
pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.slow]

LINK = "a-link-that-nobody-was-given".ljust(43, "-")
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
CLIP = {"aspect": "1:1", "short_side": "128", "seconds": "1", "fps": "8", "format": "mp4", "model": "tiny"}
QUEUE = {"prompt": "a red heart rising over the sea", **CLIP}


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Render a clip on a site that sends its traces to a collector; return all spans, and those of the clip."""
    paths = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    with collecting() as collector:
        home = tmp_path_factory.mktemp("traced") / "home"
        site = Site(home, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **paths).start()
        try:
            site.make_user()
            session = requests.Session()
            _post(session, f"{site.url}/accounts/login/", login=USER, password=PASSWORD)
            _post(session, f"{site.url}/create/?mode=advanced", **QUEUE)
            session.get(f"{site.url}/s/{LINK}/?token=hidden")
            clip = collector.wait_for("POST generation:create", "workers.tasks.assemble", seconds=180)
        finally:
            site.stop()
        yield collector.spans, collector.wait_for(*{span.name for span in clip})


def _post(session: requests.Session, url: str, **data: str) -> None:
    token = CSRF.search(session.get(url).text)[1]
    session.post(url, data={"csrfmiddlewaretoken": token, **data}).raise_for_status()


def test_page_broker_and_stages_are_one_trace(traced):
    _spans, clip = traced
    names = {span.name for span in clip}
    stages = {f"workers.tasks.{stage}" for stage in ("preprocess", "generate", "assemble")}
    assert {"POST generation:create", *stages, *(f"send {stage}" for stage in stages)} <= names
    assert {span.service for span in clip} == {"auravideo-web", "auravideo-worker"}


def test_every_span_has_its_parent_in_the_trace(traced):
    _spans, clip = traced
    ids = {span.id for span in clip}
    (first,) = [span for span in clip if not span.parent]
    assert first.name == "POST generation:create"
    assert [span.name for span in clip if span.parent and span.parent not in ids] == []


def test_a_stage_follows_from_the_message_that_asked_for_it(traced):
    _spans, clip = traced
    by_id = {span.id: span for span in clip}
    for span in clip:
        if span.name.startswith("workers.tasks.") and span.name != "workers.tasks.requeue_lost":
            assert by_id[span.parent].name.startswith("send workers.tasks."), span.name


def test_stages_name_their_job(traced):
    _spans, clip = traced
    stages = [span for span in clip if "auravideo.stage" in span.attributes]
    assert {span.attributes["auravideo.stage"] for span in stages} >= {"preprocess", "generate", "assemble"}
    assert len({span.attributes["auravideo.job"] for span in stages}) == 1


def test_no_address_is_exported(traced):
    spans, _clip = traced
    assert any(span.name == "GET gallery:shared" for span in spans)
    leaked = (LINK, "token=hidden", PASSWORD, "red heart")
    assert [span.name for span in spans if any(text in span.text for text in leaked)] == []
