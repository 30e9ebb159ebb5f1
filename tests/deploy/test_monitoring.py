"""The alert rules and the dashboard ask for metrics that exist, and Prometheus accepts the rules."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from auravideo.core.metrics import certificate, presence
from auravideo.core.metrics.declared import PREFIX
from generation.queue.monitoring.gauges import SiteCollector

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULE_TESTS = RULES.with_name("alerts.test.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "auravideo.json"
GUIDE = ROOT / "docs" / "operating.md"
NAME = re.compile(rf"\b{PREFIX}\w+")


@pytest.fixture
def exported(db, client, settings, monkeypatch) -> dict[str, set[str]]:
    """Return every metric that a site can show, with the names of its labels."""
    settings.HTTPS, settings.CSRF_TRUSTED_ORIGINS = True, ["https://example.org"]
    monkeypatch.setattr(certificate, "expires_in", lambda _origin: 1.0)
    card = {"uuid": "GPU-1", "index": 0, "name": "Card", "used": 1, "total": 2, "busy": 0.5}
    client.get("/")
    presence.note_schedule()
    found: dict[str, set[str]] = {}
    here = presence.this_process(presence.WORKER, lambda: 0)
    for process in (here, presence.this_process(presence.WEB, lambda: 0)):
        presence.announce(presence.Presence(**{**vars(process), "gpus": [card]}))
    for family in SiteCollector().collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        labels = {label for sample in family.samples for label in sample.labels}
        found |= {family.name + suffix: labels for suffix in suffixes}
    return found


def dashboard_queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def rules() -> list[str]:
    """Return the expression of every alert, which may go on over several lines."""
    return re.findall(r"expr: (.*?)\n +(?:for|labels):", RULES.read_text(), re.S)


def test_there_are_rules_and_panels():
    assert len(rules()) > 12
    assert len(dashboard_queries()) > 20


@pytest.mark.parametrize("source", ["rules", "dashboard"])
def test_every_metric_that_is_asked_for_exists(exported, source):
    asked = {name for query in (rules() if source == "rules" else dashboard_queries()) for name in NAME.findall(query)}
    assert len(asked) > 10
    assert asked - set(exported) == set()


@pytest.mark.parametrize("source", ["rules", "dashboard"])
def test_every_label_that_is_asked_for_exists(exported, source):
    known = {*(label for labels in exported.values() for label in labels), "le", "job", "instance"}
    for query in rules() if source == "rules" else dashboard_queries():
        chosen = set(re.findall(r"(\w+)=~?\"", query)) | set(re.findall(r"(\w+)!~?=?\"", query))
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        assert chosen | grouped <= known, query


def test_grafana_knows_every_field_of_the_dashboard():
    """Reading it into Grafana's own types and writing it again loses nothing, so no name is misspelled."""
    written = json.loads(DASHBOARD.read_text())
    # Of Prometheus' annotations; the general schema leaves them to the data source.
    theirs = {f".annotations.list[0].{name}" for name in ("titleFormat", "textFormat", "step")}
    assert set(lost(written, as_grafana_reads(written))) - theirs == set()


def test_a_misspelled_field_would_be_lost():
    written = json.loads(DASHBOARD.read_text())
    panel = next(panel for panel in written["panels"] if panel["type"] == "timeseries")
    panel["titel"] = panel.pop("title")
    assert any(path.endswith(".titel") for path in lost(written, as_grafana_reads(written)))


def as_grafana_reads(dashboard: dict) -> dict:
    plugins.register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the path of everything in `before` that is not in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after.get(key), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from lost(*pair, f"{path}[{index}]")
    elif before != after:
        yield path


def test_every_gauge_is_in_the_guide(exported):
    guide = GUIDE.read_text()
    names = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in exported}
    assert {name for name in names if name.removeprefix(PREFIX) not in guide} == set()


def test_every_alert_is_in_the_guide_and_has_a_test():
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert len(alerts) == len(set(alerts)) == len(rules())
    assert [alert for alert in alerts if f"`{alert}`" not in GUIDE.read_text()] == []
    assert [alert for alert in alerts if f'alertname="{alert}"' not in RULE_TESTS.read_text()] == []


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool: apt-get install prometheus")
def test_prometheus_accepts_the_rules_and_each_fires_when_it_should():
    done = subprocess.run(
        ["promtool", "test", "rules", RULE_TESTS.name], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
