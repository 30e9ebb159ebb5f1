"""Each profile starts beside the site and shows what it is for. Profile tls: test_proxy.py.

Mailpit and Prometheus 3 are in no package, so stand-ins take their places (tests/rigs/containers/standins); Grafana's
dashboard is checked against its schema in tests/deploy/test_monitoring.py, and its queries against Prometheus here.
"""

import json
import re
import shlex
import time

import pytest
import requests

from tests.compose import profiles
from tests.compose.clips import CLIP, CLIP_SECONDS, plays, stored, wait_for_jobs
from tests.e2e.held_stages import wait_until
from tests.rigs.containers import images
from tests.rigs.prometheus import Prometheus

pytestmark = [pytest.mark.containers, pytest.mark.slow]

ADMINER = "http://127.0.0.1:8081"
CONSOLE = "http://127.0.0.1:23646"
FLOWER = "http://127.0.0.1:5555"
MAILS = "http://127.0.0.1:8025/api/v1/messages"
PROMETHEUS = "http://127.0.0.1:9090"
DASHBOARD = images.REPOSITORY / "deploy" / "grafana" / "dashboards" / "auravideo.json"
GUIDE = images.REPOSITORY / "docs" / "containers.md"
# Panels without data on a site without graphics cards whose clips all succeed.
QUIET = {"Failed per hour, by error", "Attempts that did not succeed, per hour", "Memory in use", "Busy"}
STAGES = {f"workers.tasks.{stage}" for stage in ("preprocess", "generate", "interpolate", "upscale", "assemble")}


def read(engine, url: str, **options) -> requests.Response:
    with engine.network():
        return requests.get(url, timeout=30, **options)


# --- dev --------------------------------------------------------------------------------------------------------------


def test_adminer_lists_the_tables(site, engine, measured):
    password = (site.folder / "secrets" / "database_password").read_text().strip()
    with profiles.started(site, "adminer"), profiles.browser(engine) as page:
        page.goto(ADMINER)
        page.select_option("select[name='auth[driver]']", "pgsql")
        assert page.input_value("input[name='auth[server]']") == "database"
        for field, value in {"username": "auravideo", "password": password, "db": "auravideo"}.items():
            page.fill(f"input[name='auth[{field}]']", value)
        page.click("input[type='submit'][value='Login']")
        page.wait_for_selector("text=generation_job")
        assert {"accounts_user", "gallery_video", "generation_stagerun"} <= set(page.inner_text("body").split())
        profiles.picture(page, "adminer")


def test_the_stores_console_shows_the_bucket(site, engine):
    with profiles.started(site, "console"), profiles.browser(engine) as page:
        page.goto(f"{CONSOLE}/object-store/buckets")
        page.wait_for_selector("text=auravideo")
        profiles.picture(page, "store-console")


def test_emails_arrive_where_developers_can_read_them(site, engine, guest):
    url = site.folder / "secrets" / "email_url"
    before = url.read_text()
    with profiles.started(site, "mail"):
        url.write_text("smtp://mail:1025\n")
        try:
            site.compose("restart", "cpu", "web")
            site.up()
            guest.session.cookies.clear()
            guest.post("/accounts/password/reset/", "form", email=f"{guest.name}@example.org")
            wait_until(lambda: read(engine, MAILS).json()["messages"], "no email arrived")
            (message,) = read(engine, MAILS).json()["messages"]
            assert message["To"][0]["Address"] == f"{guest.name}@example.org"
            assert "http://localhost:8000/accounts/password/reset/" in message["Snippet"]
        finally:
            url.write_text(before)
            site.compose("restart", "cpu", "web")
    site.up()


# --- monitoring -------------------------------------------------------------------------------------------------------


def test_prometheus_reaches_everything_and_the_dashboard_has_data(site, engine, guest):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", [])]
    assert len(queries) > 20
    with profiles.started(site, "prometheus"), engine.network():
        prometheus = Prometheus(PROMETHEUS)
        wait_until(lambda: healths(prometheus) == {"auravideo": "up", "prometheus": "up"}, "a target is not up")
        wait_for_jobs(site, [guest.create("a small blue star", **CLIP)], CLIP_SECONDS)
        for group in prometheus.ask("rules")["groups"]:
            assert [rule["name"] for rule in group["rules"] if rule["health"] == "err"] == []
        wait_until(lambda: without_data(prometheus, queries) <= QUIET, "panels stay empty")
        assert prometheus.firing() == set()


def healths(prometheus: Prometheus) -> dict[str, str]:
    targets = prometheus.ask("targets")["activeTargets"]
    return {target["labels"]["job"]: target["health"] for target in targets}


def without_data(prometheus: Prometheus, queries: list[tuple[str, str]]) -> set[str]:
    """Return the panels whose queries all have no result; Grafana fills in the interval."""
    with_data = {
        title
        for title, query in queries
        if prometheus.ask("query", query=query.replace("$__rate_interval", "1m"))["result"]
    }
    return {title for title, _query in queries} - with_data


def test_flower_asks_for_its_login_and_lists_the_tasks(site, engine, guest):
    login = tuple((site.folder / "secrets" / "flower_login").read_text().strip().split(":"))
    with profiles.started(site, "flower"):
        assert read(engine, f"{FLOWER}/workers").status_code == 401
        assert len(read(engine, f"{FLOWER}/api/workers?refresh=true", auth=login).json()) == 4
        # It asks workers for their events every five seconds; the scheduler's tasks come every fifteen.
        wait_until(lambda: tasks(engine, login), "no events arrive", 60)
        wait_for_jobs(site, [guest.create("a large green cross", **CLIP)], CLIP_SECONDS)
        wait_until(lambda: tasks(engine, login) >= STAGES, "the stages of the clip are not listed")
        credentials = {"username": login[0], "password": login[1]}
        with profiles.browser(engine, http_credentials=credentials) as page:
            page.goto(f"{FLOWER}/tasks")
            page.wait_for_selector("text=workers.tasks.assemble")
            profiles.picture(page, "flower")


def tasks(engine, login: tuple[str, ...]) -> set[str]:
    return {task["name"] for task in read(engine, f"{FLOWER}/api/tasks", auth=login).json().values()}


# --- backup -----------------------------------------------------------------------------------------------------------


def test_a_backup_appears_and_a_new_installation_is_restored_from_it(site, guest, measured):
    """With the commands of the guide, on a machine that has nothing but the backups, secrets/ and .env."""
    job = guest.create("a red heart", **CLIP)
    wait_for_jobs(site, [job], CLIP_SECONDS)
    folder = site.folder / "backups"
    folder.mkdir()
    folder.chmod(0o777)
    with site.settings(BACKUP_FOLDER="./backups"):
        started = time.monotonic()
        with profiles.started(site, "backup"):
            wait_until((folder / "last-success").exists, "no backup appeared")
            measured.seconds("a backup", time.monotonic() - started)
            assert site.containers("backup")[0]["State"]["Health"]["Status"] == "healthy"
        (backup,) = [path.name for path in folder.iterdir() if re.fullmatch(r"\d{4}-.*Z", path.name)]
        kept = {key for key in stored(site) if not key.startswith("jobs/")}
        site.compose("down", "--volumes")
        started = time.monotonic()
        for command in commands_of_the_guide("To restore onto a new installation"):
            site.compose(*[part.replace("2026-11-28T03-00-00Z", backup) for part in command])
        measured.seconds("restoring a new installation", time.monotonic() - started)
    guest.get("/create/")  # still signed in
    assert plays(guest, site, job)
    again = guest.create("a blue heart", **CLIP)
    wait_for_jobs(site, [again], CLIP_SECONDS)
    assert kept <= set(stored(site))


def commands_of_the_guide(after: str) -> list[list[str]]:
    """Return the arguments of `docker compose` in the first block of the guide after a text."""
    block = re.search(r"```\n(.*?)```", GUIDE.read_text().partition(after)[2], re.S)[1]
    commands = [shlex.split(line) for line in block.splitlines()]
    assert all(command[:2] == ["docker", "compose"] for command in commands)
    return [command[2:] for command in commands]
