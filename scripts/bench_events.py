"""Latency from a worker's event to the updated page: `make bench-events`.

It uses a site without workers (Daphne and its Redis), a browser on the page of one running job, and a separate process
that publishes events as a worker does. For each event, two times are taken on the same clock: when its fragment reached
the browser, and when the page had changed. An idle machine gives the figure in docs/performance.md.
"""

import argparse
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Page, sync_playwright

from tests.browser import executable
from tests.site import USER, Site

if TYPE_CHECKING:
    from generation.domain.states import Stage
    from generation.models import Job, StageRun

MAX_EVENTS = 500
# Records when a fragment arrives and when the page shows the job's progress: [permille, milliseconds].
OBSERVE = """
    window.arrived = []; window.changed = [];
    const now = () => performance.timeOrigin + performance.now();
    const job = document.querySelector(".job");
    document.addEventListener("htmx:wsBeforeMessage", (event) => {
        const at = now();
        const found = /<article[^>]* data-progress="(\\d+)"/.exec(event.detail.message);
        if (found) window.arrived.push([Number(found[1]), at]);
    });
    new MutationObserver(() => window.changed.push([Number(job.dataset.progress), now()]))
        .observe(job, {attributeFilter: ["data-progress"]});
"""


class Worker(threading.Thread):
    """Publishes `count` events, `rate` per second, each one step further; `sent` lists [permille, milliseconds]."""

    def __init__(self, held: "StageRun", count: int, rate: float) -> None:
        super().__init__(name="worker")
        self.held, self.count, self.rate = held, count, rate
        self.sent: list[tuple[int, float]] = []

    def run(self) -> None:
        from generation.jobs import selectors
        from generation.queue import claims, events

        started = time.monotonic()
        for step in range(1, self.count + 1):
            time.sleep(max(0.0, started + step / self.rate - time.monotonic()))
            claims.beat(self.held, step, self.count)
            shown = selectors.progress_of(selectors.jobs_of(self.held.job.user).get(pk=self.held.job_id)).permille
            self.sent.append((shown, time.time() * 1000))
            events.publish(self.held.job.user_id, self.held.job_id)


def main() -> int:
    options = _options()
    home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
    site = Site(home, queues="").start()
    try:
        print(f"{options.events} events, {options.rate:g} a second; load of the machine {os.getloadavg()[0]:.1f}")
        sent, arrived, changed = _measure(site, options.events, options.rate)
    finally:
        site.stop()
        shutil.rmtree(home, ignore_errors=True)
    print(f"{'milliseconds from the event to':<34}{'median':>8}{'p95':>8}{'p99':>8}{'most':>8}")
    lost = _report("its fragment in the browser", sent, arrived) + _report("the changed page", sent, changed)
    return 1 if lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--rate", type=float, default=5.0, help="a second; a worker sends at most 5")
    options = parser.parse_args()
    if not 1 <= options.events <= MAX_EVENTS:
        parser.error(f"--events: 1 to {MAX_EVENTS}, so that each of them changes the page")
    return options


def _measure(site: Site, count: int, rate: float) -> tuple[list, list, list]:
    site.make_user()
    session = site.session_of(USER)
    held = _running_job(site)
    with sync_playwright() as playwright:
        path = executable()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=site.url)
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": site.url}])
        with page.expect_event("websocket") as opened:
            page.goto(f"/jobs/{held.job_id}/")
        opened.value.wait_for_event("framereceived")
        page.evaluate(OBSERVE)
        worker = Worker(held, count, rate)
        worker.start()
        _wait_for(worker, page)
        result = worker.sent, page.evaluate("window.arrived"), page.evaluate("window.changed")
        browser.close()
    return result


def _running_job(site: Site) -> "StageRun":
    """Return a job in the middle of generation, from the site's database; sets up Django with its environment."""
    os.environ.update(site.environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = "auravideo.settings"
    import django

    django.setup()
    from accounts.models import User
    from generation.domain.states import Stage
    from generation.queue import claims
    from tests.factories import JobFactory

    job = JobFactory.create(user=User.objects.get(username=USER))
    claims.finish(_claim(job, Stage.PREPROCESS), {})
    return _claim(job, Stage.GENERATE)


def _claim(job: "Job", stage: "Stage") -> "StageRun":
    from generation.queue import claims

    held = claims.claim(job.pk, 1, stage, 0, "bench")
    if held is None:
        raise RuntimeError(f"{stage} of {job} cannot be claimed")
    return held


def _wait_for(worker: Worker, page: Page) -> None:
    while worker.is_alive():
        page.wait_for_timeout(200)
    page.wait_for_timeout(2000)


def _report(what: str, sent: list, seen: list) -> int:
    """Print the delays until `what`; return how many events the page never showed."""
    delays = []
    for permille, at in sent:
        # If several were sent together, the page shows only the last.
        later = [when for shown, when in seen if shown >= permille and when >= at]
        delays += [min(later) - at] if later else []
    lost = len(sent) - len(delays)
    if delays:
        delays.sort()
        figures = [delays[math.ceil(share * len(delays)) - 1] for share in (0.5, 0.95, 0.99, 1.0)]
        print(f"{what:<34}" + "".join(f"{figure:>8.1f}" for figure in figures))
    if lost:
        print(f"{what}: {lost} events were never seen", file=sys.stderr)
    return lost


if __name__ == "__main__":
    sys.exit(main())
