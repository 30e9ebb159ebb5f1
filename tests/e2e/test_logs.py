"""What a whole site logs while somebody uses it: JSON, with the IDs, and none of its secrets."""

import json
import re
import secrets
import time
from uuid import UUID

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.rigs.metrics import samples
from tests.site import PASSWORD, USER, Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

END_SECONDS = 180
SHARE = """
from gallery.models import Video, Visibility
from gallery.sharing import services
video = Video.objects.get()
services.set_visibility(video, Visibility.UNLISTED)
video.refresh_from_db()
print(video.share_token)
"""
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
CLIP = {"aspect": "1:1", "short_side": "128", "seconds": "1", "fps": "8", "format": "mp4", "model": "tiny"}
IDS = {"job", "run", "stage", "chunk"}


class Visitor:
    """A person with a browser's cookies, and a note of every secret that they were given."""

    def __init__(self, site: Site) -> None:
        self.site, self.session, self.secrets = site, requests.Session(), set()

    def get(self, path: str, **options) -> requests.Response:
        return self._noted(self.session.get(self.site.url + path, timeout=30, **options))

    def post(self, path: str, form: str | None = None, **data: str) -> requests.Response:
        token = CSRF.search(self.get(form or path).text)[1]
        data = {"csrfmiddlewaretoken": token, **data}
        return self._noted(self.session.post(self.site.url + path, data=data, timeout=30))

    def _noted(self, response: requests.Response) -> requests.Response:
        self.secrets |= {cookie.value for cookie in self.session.cookies if cookie.name in ("sessionid", "csrftoken")}
        self.secrets |= (
            set(CSRF.findall(response.text)) if "html" in response.headers.get("Content-Type", "") else set()
        )
        for address in (response.url, *(one.headers.get("Location", "") for one in (*response.history, response))):
            self.secrets |= set(re.findall(r"X-Amz-(?:Signature|Credential)=([^&]+)", address))
        return response


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A site with S3, tokens and passwords that are unmistakable; a person renders a clip, shares it, meets errors."""
    known = {name: f"{name.lower()}-{secrets.token_urlsafe(18)}" for name in ("SECRET_KEY", "METRICS_TOKEN", "MAIL")}
    known |= {"S3_ACCESS_KEY_ID": secrets.token_hex(10), "S3_SECRET_ACCESS_KEY": secrets.token_urlsafe(30)}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="videos")
    settings = {name: value for name, value in known.items() if name != "MAIL"}
    settings |= {"S3_ENDPOINT_URL": endpoint, "S3_BUCKET": "videos", "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG"}
    settings["EMAIL_URL"] = f"smtp://mailer:{known['MAIL']}@127.0.0.1:1"
    site = Site(tmp_path_factory.mktemp("logs") / "home", **settings).start()
    try:
        person = Visitor(site)
        job = _use(site, person, known["METRICS_TOKEN"])
        server.stop()
        _meet_an_outage(site, person)
    finally:
        site.stop()
    assert site.processes() == []
    return site.log.read_text(), job, {*known.values(), *person.secrets, PASSWORD}


def _use(site: Site, person: Visitor, token: str) -> str:
    site.make_user()
    person.post("/accounts/login/", login=USER, password="not the " + PASSWORD)
    person.post("/accounts/login/", login=USER, password=PASSWORD)
    person.post("/create/?mode=advanced", prompt="a red heart rising over the sea", **CLIP)
    (job,) = site.rows("SELECT id, status FROM generation_job")
    deadline = time.monotonic() + END_SECONDS
    while site.rows("SELECT status FROM generation_job") != [("done",)]:
        assert time.monotonic() < deadline, site.log.read_text()[-4000:]
        time.sleep(0.3)
    person.get(f"/videos/{UUID(site.rows('SELECT id FROM gallery_video')[0][0])}/file/", allow_redirects=False)
    shared = site.python(SHARE)
    person.secrets.add(shared)
    stranger = Visitor(site)
    for path in ("", "poster", "nothing"):
        stranger.get(f"/s/{shared}/{path}")
    stranger.get("/healthz")
    _scrape_until_counted(stranger, token)
    stranger.get(f"/jobs/?token={token}&password={PASSWORD.replace(' ', '+')}")
    person.secrets |= stranger.secrets
    return str(job[0])


def _scrape_until_counted(stranger: Visitor, token: str) -> None:
    """Workers ship their counts up to `reporting.PERIOD` after the fact."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        scrape = stranger.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        if samples(scrape.text)["auravideo_jobs_ended_total", "state=done"] == 1:
            return
        assert time.monotonic() < deadline, scrape.text
        time.sleep(0.3)


def _meet_an_outage(site: Site, person: Visitor) -> None:
    """Ask for what needs the mail server and the store, which are both down."""
    person.post("/accounts/password/reset/", email=f"{USER}@example.org")
    person.post("/create/?mode=advanced", prompt="a blue star", **CLIP)
    deadline = time.monotonic() + END_SECONDS
    while "waits for the storage" not in site.log.read_text():
        assert time.monotonic() < deadline, site.log.read_text()[-4000:]
        time.sleep(0.3)


def lines(log: str) -> list[dict]:
    return [json.loads(line) for line in log.splitlines() if line]


def test_every_line_is_one_json_object(used):
    found = lines(used[0])
    assert {"serve", "site", "generate", "cpu"} <= {line["process"] for line in found}
    assert all(line["event"] is not None and line["level"] and line["timestamp"] for line in found)


def test_no_secret_is_in_any_line(used):
    log, _job, hidden = used
    assert len(hidden) > 10
    leaked = [line for line in log.splitlines() if any(secret in line for secret in hidden if secret)]
    assert leaked == []


def test_every_line_of_a_stage_names_its_job(used):
    log, job, _hidden = used
    finished = [line for line in lines(log) if line["logger"] == "workers.runner"]
    stages = {line["stage"] for line in finished}
    assert {"preprocess", "generate", "assemble"} <= stages
    for line in finished:
        assert set(line) >= IDS, line
    assert job in {line["job"].replace("-", "") for line in finished}


def test_the_request_that_queued_the_clip_is_on_the_lines_of_its_stages(used):
    log, job, _hidden = used
    found = lines(log)
    posted = (line for line in found if line.get("request") == "POST /create/" and line["event"] == "request_finished")
    rendered = [line for line in found if line["logger"] == "workers.runner" and line["job"].replace("-", "") == job]
    assert {line["stage"] for line in rendered} >= {"preprocess", "generate", "assemble"}
    assert {line["request_id"] for line in rendered} == {next(posted)["request_id"]}


def test_an_email_that_cannot_be_sent_is_logged_with_its_reason_and_the_request_that_asked_for_it(used):
    log, _job, _hidden = used
    retried, *_later = [line for line in lines(log) if line["event"] == "task_retrying"]
    assert "ConnectionRefusedError" in retried["reason"]
    asked = [line for line in lines(log) if line.get("request") == "POST /accounts/password/reset/"]
    assert retried["request_id"] in {line["request_id"] for line in asked}


def test_probes_and_scrapes_leave_no_line(used):
    requests_logged = {line.get("request", "") for line in lines(used[0])}
    assert not [request for request in requests_logged if "/healthz" in request or "/metrics" in request]


def test_a_command_that_cannot_reach_the_database_keeps_its_password(tmp_path):
    password = secrets.token_urlsafe(12)
    site = Site(tmp_path / "home", DATABASE_URL=f"postgres://aura:{password}@127.0.0.1:1/aura", LOG_FORMAT="json")
    site.home.mkdir()
    done = site.manage("doctor")
    assert done.returncode == 1
    assert "database" in done.stdout and "Connection refused" in done.stdout
    assert password not in done.stdout + done.stderr
