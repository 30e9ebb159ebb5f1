"""A real Prometheus that scrapes a site every second, with our rules in a hurry.

Only waiting times are shortened (`for`); expressions, thresholds and ranges are those that operators get.
"""

import contextlib
import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yml"
CONFIG = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: [{rules}]
scrape_configs:
  - job_name: auravideo
    authorization: {{ credentials: {token} }}
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""


class Prometheus:
    """Answers questions about the server at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> dict:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        """Return the value of a query with one result; None without any."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait_until_firing(self, *names: str, seconds: float = 60) -> None:
        self._wait(lambda: set(names) <= self.firing(), f"{names} do not fire, but {{}}", seconds)

    def wait_until_quiet(self, *names: str, seconds: float = 60) -> None:
        self._wait(lambda: not set(names) & self.firing(), f"{names}: still firing, {{}}", seconds)

    def _wait(self, condition, complaint: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, complaint.format(sorted(self.firing()))
            time.sleep(0.5)


@contextlib.contextmanager
def watching(port: int, token: str, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus in `folder`, scraping the site on `port`."""
    rules = folder / "alerts.yml"
    rules.write_text(re.sub(r"(?m)^(\s+for:).*$", r"\1 1s", RULES.read_text()))
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=rules, token=token, port=port))
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
    try:
        yield _ready(Prometheus(f"http://127.0.0.1:{own}"), process, folder / "prometheus.log")
    finally:
        process.terminate()
        process.wait(30)


def _ready(server: Prometheus, process: subprocess.Popen, log: Path) -> Prometheus:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"{server.url}/-/ready", timeout=2).close()
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            return server
