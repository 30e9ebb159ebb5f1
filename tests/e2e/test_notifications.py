"""Web Push, from the switch to the notification: the site, its worker for `cpu` and the service worker are real.

Headless browsers are connected to no push service and show no notifications. So the page's PushManager is a stand-in
that subscribes at the tests' own service (tests/rigs/push_service.py), what arrives there is handed to the service
worker by the developer tools, and what the worker would show or open is recorded.
"""

import json
import time

import pytest
from playwright.sync_api import expect

from tests.e2e.visits import visit
from tests.rigs import push_service
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

PROMPT = "a red heart rising over the sea"
SUBSCRIBES = """
(() => {
    Object.defineProperty(Notification, "permission", { get: () => "granted" });
    const told = TOLD;
    if (!told) {
        PushManager.prototype.subscribe = async () => { throw new DOMException("no push service", "AbortError"); };
        return;
    }
    const plain = (text) => atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = (text) => Uint8Array.from(plain(text), (letter) => letter.charCodeAt(0));
    const { endpoint, ...keys } = told;
    const subscription = (key) => ({
        endpoint,
        options: { applicationServerKey: bytes(key).buffer },
        toJSON: () => ({ endpoint, keys }),
        unsubscribe: async () => { localStorage.removeItem("stand-in"); return true; },
    });
    PushManager.prototype.getSubscription = async () => {
        const key = localStorage.getItem("stand-in");
        return key && subscription(key);
    };
    PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
        localStorage.setItem("stand-in", applicationServerKey);
        return subscription(applicationServerKey);
    };
})();
"""
RECORD = """
() => {
    self.shown = [];
    self.opened = [];
    registration.showNotification = async (title, { body, tag, data }) => shown.push({ title, body, tag, data });
    self.clients.openWindow = async (address) => opened.push(address);
}
"""
CLICK = """
async () => {
    const event = new ExtendableEvent("notificationclick");
    let done = null;
    event.notification = { data: shown[0].data, close: () => {} };
    event.waitUntil = (promise) => { done = promise; };
    self.dispatchEvent(event);
    await done;
    return opened;
}
"""
QUEUE = """
from accounts.models import User
from generation.queue import services
from generation.requests import available
from generation.requests.request import parse
asked = parse({{"prompt": {prompt!r}}}, available.catalogue(), available.limits())
print(services.submit(User.objects.get(username={name!r}), asked).pk)
"""
FAIL = """
from generation.models import Job
from generation.queue import services
job = Job.objects.get(pk={pk!r})
print(services.fail(job, job.run, "worker-lost", {{"attempts": "3"}}))
"""
TOLD = "SELECT count(*) FROM accounts_pushsubscription"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with push_service.running(tmp_path_factory.mktemp("push")) as service:
        yield service


@pytest.fixture(scope="module")
def told_site(tmp_path_factory, service):
    trust = {"AURAVIDEO_PUSH_SERVICES": service.host, "REQUESTS_CA_BUNDLE": str(service.authority)}
    site = Site(tmp_path_factory.mktemp("told") / "home", queues="cpu", **trust).start()
    yield site
    assert site.stop() == 0


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Tools:
    """The developer tools, which can hand a push message to a service worker."""

    def __init__(self, page) -> None:
        self.page, self.session, self.found = page, page.context.new_cdp_session(page), []
        self.session.on(
            "ServiceWorker.workerRegistrationUpdated", lambda event: self.found.extend(event["registrations"])
        )
        self.session.send("ServiceWorker.enable")

    def push(self, site, message: dict) -> None:
        until(lambda: self.page.wait_for_timeout(20) or self.found)
        address = {"origin": site.url, "registrationId": self.found[-1]["registrationId"]}
        self.session.send("ServiceWorker.deliverPushMessage", {**address, "data": json.dumps(message)})


def test_a_clip_that_ends_while_no_page_is_open_is_shown_and_leads_to_it(browser, told_site, service):
    key = told_site.python("from accounts.push import keys; print(keys.public_key())")
    receiver = service.subscribe(key, "e2e")
    name = told_site.make_user("told")
    job = told_site.python(QUEUE.format(name=name, prompt=PROMPT))
    with visit(browser, told_site, name, "/help/", permissions=["notifications"]) as page:
        page.add_init_script(SUBSCRIBES.replace("TOLD", json.dumps(receiver.told)))
        page.goto("/jobs/")
        panel = page.locator("#active-jobs")
        panel.locator("summary").click()
        switch = panel.get_by_role("switch", name="Notify me when a clip is finished")
        with page.context.expect_event("serviceworker") as registered:
            switch.click()
        worker = registered.value
        worker.evaluate(RECORD)
        expect(panel.get_by_text("Also when no page of this site is open.")).to_be_visible()
        assert told_site.rows(TOLD) == [(1,)]
        tools = Tools(page)

        tools.push(told_site, {"title": "seen on the page", "url": "/", "tag": "seen"})
        page.goto("about:blank")
        told_site.python(FAIL.format(pk=job))
        until(lambda: receiver.messages)
        tools.push(told_site, receiver.messages[0])
        until(lambda: worker.evaluate("shown"))
        data, tag = {"url": f"/jobs/{job}/"}, job.replace("-", "")
        assert worker.evaluate("shown") == [{"title": "Your clip failed", "body": PROMPT, "tag": tag, "data": data}]
        assert worker.evaluate(CLICK) == [f"{told_site.url}/jobs/{job}/"]

        page.goto("/jobs/")
        panel.locator("summary").click()
        expect(panel.get_by_text("Also when no page of this site is open.")).to_be_visible()
        assert told_site.rows(TOLD) == [(1,)]
        with page.expect_response("**/notifications/off/"):
            switch.click()
        expect(switch).to_have_attribute("aria-checked", "false")
        assert told_site.rows(TOLD) == [(0,)]


def test_where_no_push_service_can_be_reached_the_page_says_what_it_can_do(browser, told_site):
    name = told_site.make_user("untold")
    told_site.python(QUEUE.format(name=name, prompt=PROMPT))
    with visit(browser, told_site, name, "/help/", permissions=["notifications"]) as page:
        page.add_init_script(SUBSCRIBES.replace("TOLD", "null"))
        page.goto("/jobs/")
        panel = page.locator("#active-jobs")
        panel.locator("summary").click()
        switch = panel.get_by_role("switch", name="Notify me when a clip is finished")
        switch.click()
        expect(panel.get_by_text("Only while a page of this site is open.")).to_be_visible()
        expect(switch).to_have_attribute("aria-checked", "true")
