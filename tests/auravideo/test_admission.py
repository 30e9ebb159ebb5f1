"""An overloaded web process serves what it can in time, and turns the rest away so that nothing typed is lost."""

import asyncio
import time
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from auravideo.refusals import admission, turned_away
from auravideo.refusals import turns as module
from auravideo.refusals.admission import Admission
from auravideo.refusals.budgets import FIRST_PRICE
from auravideo.refusals.measuring import SETTLE, measure_computing
from auravideo.refusals.turns import Overloaded, Turns
from tests.html_forms import fields_of, texts_of

FORM = "application/x-www-form-urlencoded"


class Application:
    """An application whose requests take until the test lets them go; `most` is how many it had at a time."""

    def __init__(self) -> None:
        self.now = self.most = self.served = 0
        self.go = asyncio.Event()
        self.begins_to_answer = False

    async def __call__(self, scope, receive, send) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.begins_to_answer:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            await self.go.wait()
            if scope["path"] == "/broken/":
                raise ValueError("a view failed")
            self.served += 1
            if not self.begins_to_answer:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"served"})
        finally:
            self.now -= 1


class Answer:
    def __init__(self) -> None:
        self.status, self.headers, self.body = 0, {}, ""

    async def __call__(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"").decode()


async def ask(
    site,
    path: str = "/jobs/",
    form: dict | bytes | None = None,
    content_type: str = FORM,
    client: tuple[str, int] | None = None,
    **headers: str,
) -> Answer:
    body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
    sent = {"host": "127.0.0.1", "content-type": content_type, "content-length": str(len(body)), **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    path, _, query = path.partition("?")
    method = "GET" if form is None else "POST"
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
    if client is not None:
        scope["client"] = client
    parts = [body[:10], body[10:]]

    async def receive():
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    answer = Answer()
    await site(scope, receive, answer)
    return answer


@pytest.fixture
def application():
    return Application()


@pytest.fixture
def site(application, settings):
    """A site that serves two requests at a time, where others wait for a tenth of a second."""
    settings.REQUESTS_AT_ONCE, settings.REQUEST_PATIENCE = 2, 0.1
    return Admission(application)


@pytest.fixture
async def busy(site, application):
    """The same, with all its turns taken."""
    tasks = [asyncio.create_task(ask(site)) for _ in range(2)]
    while application.now < 2:
        await asyncio.sleep(0)
    yield site
    application.go.set()
    assert [answer.status for answer in await asyncio.gather(*tasks)] == [200, 200]


async def test_no_more_than_its_turns_are_served_at_a_time_and_nobody_is_lost(application, settings):
    settings.REQUESTS_AT_ONCE, settings.REQUEST_PATIENCE = 2, 60
    site = Admission(application)
    application.go.set()
    answers = await asyncio.gather(*(ask(site) for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert application.most <= 2
    assert site.turns.free == 2


async def test_whoever_waits_too_long_is_turned_away_and_told_when_to_come_back(busy, application):
    answer = await ask(busy, "/jobs/?show=failed", accept_language="en")
    assert answer.status == 503
    assert answer.headers["retry-after"] == str(turned_away.RETRY_SECONDS)
    assert answer.headers["cache-control"] == "no-store"
    assert texts_of(answer.body, "failure__code") == ["503"]
    assert 'href="/jobs/?show=failed"' in answer.body
    assert application.now == 2


async def test_the_page_speaks_the_browsers_language(busy):
    assert 'lang="pl"' in (await ask(busy, accept_language="pl")).body


async def test_probes_scrapes_and_static_files_are_answered_whatever_the_load(busy, application):
    for path in ("/healthz", "/healthz/live", "/metrics", "/static/css/colours.css"):
        task = asyncio.create_task(ask(busy, path))
        before = application.now
        while application.now == before:
            await asyncio.sleep(0)
        assert not task.done()  # the application has it


async def test_a_form_that_was_typed_is_sent_back_to_be_sent_again(busy):
    form = {"csrfmiddlewaretoken": "token", "prompt": 'a "red" <heart>\nover the sea', "seconds": "4"}
    answer = await ask(busy, "/create/?mode=simple", form)
    assert answer.status == 503
    assert fields_of(answer.body.replace("<form ", '<form id="kept" '), "kept") == form
    assert '<form method="post" action="/create/?mode=simple">' in answer.body
    assert "<heart>" not in answer.body


@pytest.mark.parametrize(("files", "kept"), [({}, True), ({"file": SimpleUploadedFile("a.txt", b"a star")}, False)])
async def test_a_form_that_could_have_a_file_is_sent_back_unless_it_has(busy, files, kept):
    body = encode_multipart(BOUNDARY, {"lines": "a heart\na star", **files})
    answer = await ask(busy, "/create/many/", body, MULTIPART_CONTENT)
    assert answer.status == 503
    assert ('name="lines" value="a heart\na star"' in answer.body) == kept
    assert ("Go back" in answer.body) != kept


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
async def test_a_password_never_comes_back(busy, path):
    answer = await ask(busy, path, {"login": "alice", "password": "a secret"})
    assert answer.status == 503
    assert "a secret" not in answer.body


async def test_a_form_of_any_size_is_answered(busy):
    answer = await ask(busy, "/create/", {"prompt": "x" * (turned_away.MOST_BYTES + 1)})
    assert answer.status == 503
    assert "xxx" not in answer.body
    many = await ask(busy, "/create/", {f"field{n}": "1" for n in range(2000)})
    assert (many.status, "<form" in many.body) == (503, False)


async def test_htmx_gets_a_sentence(busy):
    answer = await ask(busy, "/create/summary/", {"prompt": "x"}, hx_request="true", accept_language="en")
    assert (answer.status, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert answer.body.startswith("The site is very busy")


async def test_a_download_takes_no_turn_once_it_has_begun(site, application):
    application.begins_to_answer = True
    downloads = [asyncio.create_task(ask(site)) for _ in range(5)]
    while application.now < 5:
        await asyncio.sleep(0)
    assert site.turns.free == 2
    application.go.set()
    await asyncio.gather(*downloads)
    assert site.turns.free == 2


async def test_a_view_that_fails_gives_its_turn_back(site, application):
    application.go.set()
    for _ in range(5):
        with pytest.raises(ValueError, match="a view failed"):
            await ask(site, "/broken/")
    assert site.turns.free == 2


async def test_turns_are_taken_in_order():
    turns, order = Turns(1, patience=10), []
    await turns.take()

    async def wait(n: int) -> None:
        await turns.take()
        order.append(n)
        turns.give_back()

    waiting = [asyncio.create_task(wait(n)) for n in range(5)]
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]
    assert turns.free == 1


async def test_addresses_are_let_in_one_after_the_other():
    turns, order = Turns(1, patience=10), []
    await turns.take()

    async def wait(address: str) -> None:
        await turns.take(address)
        order.append(address)
        turns.give_back()

    waiting = [asyncio.create_task(wait(address)) for address in ("many", "many", "many", "one", "two")]
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.gather(*waiting)
    assert order == ["many", "one", "two", "many", "many"]
    assert (turns.free, turns.waiting) == (1, 0)


async def test_one_address_does_not_fill_the_line(monkeypatch):
    monkeypatch.setattr(module, "MOST_OF_ONE_ADDRESS", 2)
    monkeypatch.setattr(module, "FEWEST_OF_ONE_ADDRESS", 1)
    turns = Turns(1, patience=0.2)
    await turns.take()
    flood = [asyncio.create_task(turns.take("many")) for _ in range(5)]
    other = asyncio.create_task(turns.take("one"))
    await asyncio.sleep(0)
    assert [task.done() for task in flood] == [False, False, True, True, True]
    turns.give_back()
    await flood[0]
    turns.give_back()
    await other
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 4
    assert turns.waiting == 0


@pytest.mark.parametrize(("proxies", "address"), [(0, "192.0.2.1"), (1, "192.0.2.7")])
def test_an_address_is_what_rate_limits_count_and_nothing_that_the_browser_says(settings, proxies, address):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = [(b"x-forwarded-for", b"198.51.100.9, 192.0.2.7"), (b"x-real-ip", b"198.51.100.8")]
    scope = {"method": "GET", "path": "/", "headers": headers, "client": ("192.0.2.1", 5000)}
    assert admission.address_of(scope) == address


def test_visitors_of_one_network_of_ipv6_are_one():
    scope = {"method": "GET", "path": "/", "headers": [], "client": ("2001:db8::5", 5000)}
    assert admission.address_of(scope) == admission.address_of({**scope, "client": ("2001:db8::9", 5000)})


async def test_whoever_stops_waiting_is_passed_over():
    turns = Turns(1, patience=10)
    await turns.take()
    gone, here = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    turns.give_back()
    await here
    turns.give_back()
    assert turns.free == 1


async def test_whoever_leaves_just_as_their_turn_comes_hands_it_on():
    turns = Turns(1, patience=10)
    await turns.take()
    leaving = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    turns.give_back()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert turns.free == 1


async def test_too_many_do_not_even_wait(monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    turns = Turns(1, patience=10)
    await turns.take()
    waiting = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await turns.take()
    turns.give_back()
    await waiting


FLOOD, PERSON = ("203.0.113.7", 1), ("203.0.113.50", 1)


async def test_whoever_asks_for_more_than_their_share_is_told_so(site, application):
    site.budgets.ask("203.0.113.50", 0.01)  # somebody else is there, too
    site.budgets.ask("203.0.113.7", 100)
    tasks = [asyncio.create_task(ask(site, client=FLOOD, accept_language="en")) for _ in range(20)]
    answers = await asyncio.gather(*tasks[2:])
    assert {answer.status for answer in answers} == {429}
    assert answers[0].headers["retry-after"] == str(turned_away.DEBT_SECONDS)
    assert answers[0].headers["cache-control"] == "no-store"
    assert texts_of(answers[0].body, "failure__code") == ["429"]
    assert "from your network address" in answers[0].body
    htmx = await ask(site, client=FLOOD, accept_language="pl", hx_request="true")
    assert (htmx.status, htmx.headers["content-type"]) == (429, "text/plain; charset=utf-8")
    assert "adresu" in htmx.body
    form = await ask(site, "/create/", {"prompt": "a red heart"}, client=FLOOD)
    assert (form.status, 'value="a red heart"' in form.body) == (429, True)
    application.go.set()
    assert [answer.status for answer in await asyncio.gather(*tasks[:2])] == [200, 200]


async def test_their_requests_are_refused_by_their_headers_while_others_wait_for_a_turn(site, application):
    site.budgets.ask("203.0.113.50", 0.01)
    site.budgets.ask("203.0.113.7", 100)
    scope = {"method": "POST", "path": "/create/many/", "query_string": b"", "headers": [(b"hx-request", b"true")]}
    assert site.refusal({**scope, "client": FLOOD}) is None  # one may wait
    tasks = [asyncio.create_task(ask(site, client=FLOOD)) for _ in range(8)]
    await asyncio.sleep(0.01)
    assert site.refusal({**scope, "client": FLOOD}).status_code == 429
    assert site.refusal({**scope, "client": PERSON}) is None
    assert site.refusal({**scope, "path": "/healthz", "client": FLOOD}) is None
    application.go.set()
    await asyncio.gather(*tasks)


async def test_what_a_kind_of_request_took_is_its_price(settings):
    async def application(scope, receive, send):
        scope[SETTLE](2.0)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    site = Admission(application)
    site.budgets.ask("203.0.113.50", 0.01)
    await ask(site, "/jobs/", client=FLOOD)
    assert site.prices.of("generation:jobs") == pytest.approx(2.0 + admission.OVERHEAD)
    assert site.prices.of("home") == FIRST_PRICE
    assert site.budgets.debt("203.0.113.7") == 0
    await ask(site, "/jobs/?page=2", client=FLOOD)
    assert site.budgets.debt("203.0.113.7") > 0


def test_what_computes_is_measured_and_what_waits_is_not(rf):
    def view(request):
        time.sleep(0.3)
        while time.thread_time() < begun + 0.05:
            pass
        return HttpResponse()

    found = []
    request = rf.get("/")
    request.scope = {SETTLE: found.append}
    begun = time.thread_time()
    measure_computing(view)(request)
    assert 0.04 < found[0] < 0.25


def test_a_view_that_fails_is_measured_too(rf):
    def view(_request):
        raise ValueError("a view failed")

    found = []
    request = rf.get("/")
    request.scope = {SETTLE: found.append}
    with pytest.raises(ValueError, match="a view failed"):
        measure_computing(view)(request)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/videos/", "gallery:library"),
        ("/no/such/page/", ""),
        ("/static/css/no-such-file.css", "static"),
        ("/videos/00000000-0000-0000-0000-000000000001/", "gallery:video"),
    ],
)
def test_addresses_of_one_view_are_of_one_kind(path, kind):
    assert admission.kind_of(path) == kind


async def test_sockets_of_an_address_in_debt_take_a_turn_until_they_are_open(site, application):
    site.budgets.ask("203.0.113.50", 0.01)
    site.budgets.ask("203.0.113.7", 100)
    opened, sent = [], []

    async def sockets(scope, _receive, send):
        await asyncio.sleep(0.02)
        await send({"type": "websocket.accept"})
        opened.append(scope["client"])
        await application.go.wait()

    async def send(message):
        sent.append(message["type"])

    def open_one(client) -> asyncio.Task:
        scope = {"type": "websocket", "path": "/ws/jobs/", "headers": [], "client": client}
        return asyncio.create_task(site.of_sockets(sockets)(scope, None, send))

    tasks = [open_one(FLOOD)]
    await asyncio.sleep(0.1)
    assert (opened, site.turns.free) == ([FLOOD], 2)
    tasks += [asyncio.create_task(ask(site, client=FLOOD)) for _ in range(2)]  # which hold all turns
    await asyncio.sleep(0.01)
    tasks += [open_one(FLOOD), *(open_one(PERSON) for _ in range(5))]
    await asyncio.sleep(0.3)
    assert sent.count("websocket.close") == 1
    assert opened == [FLOOD, *[PERSON] * 5]  # nobody else waits for anything
    application.go.set()
    await asyncio.gather(*tasks)
