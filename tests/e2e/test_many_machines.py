"""Several machines with one database and one Redis work as one site."""

import http.client
import re
import time
from urllib.parse import urlencode, urlsplit

import pytest

from tests.rigs.shared_services import Socket, services
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

DRAFT = {"seconds": "1", "aspect": "1:1", "quality": "draft"}


def wait_until(holds, seconds=60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.1)


class Browser:
    """A browser whose requests a load balancer sends to whichever machine the test names."""

    def __init__(self, session: str) -> None:
        self.cookies = {"sessionid": session}

    def get(self, site: Site, path: str) -> tuple[int, str]:
        return self._send(site, "GET", path)

    def post(self, site: Site, path: str, page: str, files: dict[str, bytes] | None = None, **fields: str):
        """Submit a form whose token comes from `page`, however it came."""
        fields["csrfmiddlewaretoken"] = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        if files is None:
            return self._send(site, "POST", path, urlencode(fields).encode(), "application/x-www-form-urlencoded")
        parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
        parts += [f'name="{name}"; filename="{name}.txt"\r\n\r\n'.encode() + data for name, data in files.items()]
        body = (
            b"".join(b"--xyz\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--xyz--\r\n"
        )
        return self._send(site, "POST", path, body, "multipart/form-data; boundary=xyz")

    def _send(self, site: Site, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        connection.request(method, path, body, {**headers, **({"Content-Type": kind} if kind else {})})
        answer = connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers.get("Location") or text


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with services(tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.fixture(scope="module")
def two(shared):
    """Return two web processes, started at the same moment on an empty database: one of them runs the migrations."""
    machines = [shared.machine(only="web") for _ in range(2)]
    for machine in machines:
        machine.launch()
    return [machine.wait_until_ready() for machine in machines]


@pytest.fixture(scope="module")
def browser(two):
    return Browser(two[0].session_of(two[0].make_user("ada")))


def test_a_page_of_one_is_submitted_to_the_other(two, browser):
    one, other = two
    status, page = browser.get(one, "/create/")
    assert status == 200
    status, where = browser.post(
        other,
        "/create/",
        page,
        prompt="a large red heart rising over the sea",
        seconds="1",
        aspect="1:1",
        quality="draft",
    )
    assert (status, where.startswith("/jobs/")) == (302, True), where
    assert "a large red heart rising" in browser.get(one, "/jobs/")[1]


def test_a_file_is_uploaded_to_the_other_and_its_page_comes_from_either(two, browser):
    one, other = two
    page = browser.get(one, "/create/many/")[1]
    rows = b"a small blue star spinning in the desert\na green cross growing on white\n"
    status, where = browser.post(other, "/create/many/", page, {"file": rows}, **DRAFT)
    assert status == 302, where
    for site in two:
        assert "a small blue star spinning" in browser.get(site, urlsplit(where).path)[1]


def test_what_happens_on_one_is_seen_by_a_page_of_the_other(two, browser):
    one, other = two
    page = browser.get(one, "/jobs/")[1]
    job = re.search(r"/jobs/([0-9a-f-]{36})/cancel/", page)[1]
    with Socket(one.url, f"/ws/jobs/?jobs={job}", browser.cookies["sessionid"]) as events:
        events.receive()  # the present state
        status, where = browser.post(other, f"/jobs/{job}/cancel/", page)
        assert status == 302, where
        deadline = time.monotonic() + 60
        while not re.search(rf"job-{job}.*cancelled", (message := events.receive()).lower(), re.DOTALL):
            assert time.monotonic() < deadline, message


def test_a_session_ends_on_both(two, browser):
    one, other = two
    page = browser.get(one, "/accounts/logout/")[1]
    assert browser.post(one, "/accounts/logout/", page)[0] == 302
    status, where = browser.get(other, "/jobs/")
    assert (status, where.startswith("/accounts/login/")) == (302, True)
