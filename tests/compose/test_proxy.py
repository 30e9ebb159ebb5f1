"""The profile tls: three web containers behind one address with a certificate, without sticky sessions."""

import re
import ssl
import time
from urllib.parse import urlsplit

import pytest
import requests

from tests.compose import profiles
from tests.compose.clips import CLIP, CLIP_SECONDS, LONG_SECONDS, video_of, wait_for_jobs
from tests.compose.guest import PASSWORD, Guest
from tests.rigs.containers import secret_scan
from tests.rigs.shared_services import Socket

pytestmark = [pytest.mark.containers, pytest.mark.slow]

SITE = "https://localhost"
# As the guide says, but with certificates that the proxy signs itself; and browsers get videos from the store.
SETTINGS = {
    "SITE_HOST": "localhost",
    "CERTIFICATES": "internal",
    "HTTPS": "True",
    "TRUSTED_PROXIES": "1",
    "COMPOSE_PROFILES": "tls",
    "PUBLISH": "127.0.0.1:",
    "S3_DELIVERY": "redirect",
    "S3_PUBLIC_ENDPOINT_URL": SITE,
}
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def proxied(site):
    """Yield the site behind its proxy, with three web containers."""
    site.provide_images("proxy")
    with site.settings(**SETTINGS):
        site.up("--scale", "web=3")
        yield site
        names = [container["Name"].lstrip("/") for container in site.containers()]
        assert secret_scan.in_containers(site.engine, site.secrets(), names) == {}
    site.compose("--profile", "*", "rm", "--force", "--stop", "proxy")
    site.up("--scale", "web=1")


@pytest.fixture(scope="module")
def authority(proxied):
    path = proxied.folder / "authority.crt"
    path.write_text(proxied.compose("exec", "-T", "proxy", "cat", AUTHORITY))
    return path


@pytest.fixture(scope="module")
def invitation(proxied):
    """Return the path of a link for everybody here: with HTTPS, the site is by invitation."""
    printed = proxied.compose("exec", "-T", "web", "python", "manage.py", "invite", "--uses", "100")
    return urlsplit(printed.split()[-1]).path


@pytest.fixture
def guest(engine, authority, invitation):
    return Guest(engine, SITE, authority).sign_up(invitation)


def test_without_an_invitation_nobody_joins(engine, authority, invitation):
    stranger = Guest(engine, SITE, authority)
    assert "password1" not in stranger.get("/accounts/signup/").text
    assert "password1" in stranger.get(invitation).text


def test_the_site_answers_by_https_alone(engine, authority):
    with engine.network():
        plain = requests.get("http://localhost/explore/", allow_redirects=False, timeout=30)
        secure = requests.get(f"{SITE}/explore/", verify=str(authority), timeout=30)
        metrics = requests.get(f"{SITE}/metrics", verify=str(authority), timeout=30)
        with pytest.raises(requests.ConnectionError):
            requests.get("http://localhost:8000/", timeout=5)
    assert (plain.status_code, plain.headers["Location"]) == (308, f"{SITE}/explore/")
    assert secure.status_code == 200
    assert metrics.status_code == 404


def test_a_session_works_in_every_web_container(proxied, guest):
    cookie = next(cookie for cookie in guest.session.cookies if cookie.name == "sessionid")
    assert cookie.secure
    for number in range(30):
        assert guest.name in guest.get(f"/jobs/?n={number}").text
    guest.sign_in()
    assert len(answered_by(proxied, "GET /jobs/")) == 3, "the proxy does not spread requests"


def test_a_clip_is_watched_over_a_secure_websocket(proxied, guest, authority, engine):
    job = guest.create("a small yellow star", **CLIP)
    trust = ssl.create_default_context(cafile=authority)
    session = guest.session.cookies["sessionid"]
    with engine.network(), Socket(SITE, f"/ws/jobs/?jobs={job}", session, trust) as socket:
        deadline = time.monotonic() + CLIP_SECONDS
        percents = set()
        while True:
            message = socket.receive()
            percents.update(re.findall(rf'id="job-{job}"[^>]*data-progress="(\d+)"', message))
            if re.search(rf'id="job-{job}"[^>]*data-status="done"', message):
                break
            assert time.monotonic() < deadline, message
    assert len(percents) > 2, "there was no progress to be seen"
    video = guest.get(f"/videos/{video_of(proxied, job)}/file/")
    assert video.url.startswith(f"{SITE}/auravideo/"), "the store did not deliver it"
    assert "X-Amz-Signature=" in video.url
    assert video.content[4:8] == b"ftyp"


def test_the_store_is_open_to_signed_requests_only(engine, authority):
    for path in ("/auravideo/", "/auravideo/?X-Amz-Signature=1", "/auravideo/?list-type=2"):
        with engine.network():
            answer = requests.get(f"{SITE}{path}", verify=str(authority), timeout=30)
            written = requests.put(f"{SITE}{path}", b"x", verify=str(authority), timeout=30)
        assert answer.status_code in (403, 404), path
        assert written.status_code in (403, 404), path


def test_a_batch_is_uploaded_and_rendered(proxied, guest):
    lines = b"a red circle\na green square\na blue triangle\n"
    asked = {"seconds": "1", "quality": "draft", "aspect": "1:1"}
    answer = guest.post("/create/many/", "create--many", files={"file": ("prompts.txt", lines)}, **asked)
    found = re.fullmatch(rf"{SITE}/batches/([0-9a-f-]{{36}})/", answer.url)
    assert found, answer.text
    jobs = [job for (job,) in proxied.rows(f"SELECT id FROM generation_job WHERE batch_id = '{found[1]}'")]
    assert len(jobs) == 3
    wait_for_jobs(proxied, jobs, LONG_SECONDS)


def test_uploads_larger_than_the_site_accepts_are_refused(guest):
    assert upload(guest, 60 * MEGABYTE) == 200  # "no settings in it", says the site
    assert upload(guest, 70 * MEGABYTE) == 413


def upload(guest: Guest, size: int) -> int:
    try:
        files = {"video_file": ("clip.mp4", bytes(size))}
        return guest.post("/create/", "create-form", to="/create/from-file/", files=files).status_code
    except requests.HTTPError as refused:
        return refused.response.status_code


def test_a_browser_gets_live_pages_and_has_nothing_to_complain_about(guest, engine):
    with profiles.browser(engine, ignore_https_errors=True) as page:
        problems: list[str] = []
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.goto(f"{SITE}/accounts/login/")
        page.fill("input[name=login]", guest.name)
        page.fill("input[name=password]", PASSWORD)
        with page.expect_websocket(lambda socket: socket.url.startswith("wss://localhost/ws/jobs/")):
            page.click("form.form button:has-text('Sign in')")
        page.goto(f"{SITE}/jobs/", wait_until="networkidle")
        assert page.locator("#offline").is_hidden()
        assert problems == []


def answered_by(project, request: str) -> set[str]:
    """Return the web containers whose logs have this request."""
    names = [container["Name"].lstrip("/") for container in project.containers("web")]
    return {name for name in names if request in project.engine.docker("logs", name, both=True)}
