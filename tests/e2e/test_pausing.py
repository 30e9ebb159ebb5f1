"""All rendering of a real site is paused in the middle of a clip, the site is started again, and the clip goes on."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.e2e.held_stages import wait_until
from tests.e2e.test_determinism import frames_of
from tests.e2e.test_honest_waiting import submit
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

CLIP = {"seconds": 1, "fps": 16, "size": "128x128", "steps": 60, "seed": 7}
PATIENCE = 900  # seconds; only limits a hanging test
STEPS = "SELECT max(done) FROM generation_stagerun WHERE stage = 'generate' AND job_id = ?"
ATTEMPTS = "SELECT status FROM generation_stagerun WHERE stage = 'generate' AND job_id = ?"
STATE = "SELECT status FROM generation_job WHERE id = ?"
PAUSE = "from generation.queue.pausing import services; print(services.pause())"
LINE = "Rendering is paused on this site."


@pytest.fixture
def own_site(tmp_path):
    """Yield a site of its own, since pausing stops everybody's clips. More threads slow its tiny steps under load."""
    started = Site(tmp_path / "home", OMP_NUM_THREADS="1").start()
    yield started
    assert started.stop() == 0
    assert started.processes() == []


def video_of(site, job):
    (path,) = site.home.rglob(f"{job}/video.mp4")
    return frames_of(path)


def steps_of(site, job):
    return site.rows(STEPS, job.replace("-", ""))[0][0] or 0


def state_of(site, job):
    return site.rows(STATE, job.replace("-", ""))[0][0]


def warm(site):
    return [json.loads(engines) for (engines,) in site.rows("SELECT warm FROM generation_worker") if engines != "[]"]


def test_a_clip_that_was_paused_is_the_same_video(own_site, browser):
    site = own_site
    name = site.make_user("gamer")
    (whole,) = submit(site, name, 1, **CLIP)
    wait_until(lambda: state_of(site, whole) == "done", "the first clip was not rendered", PATIENCE)
    assert warm(site)

    (job,) = submit(site, name, 1, **CLIP)
    wait_until(lambda: steps_of(site, job) >= 1, "the clip was not begun", PATIENCE)
    assert site.python(PAUSE) == "True"
    wait_until(lambda: state_of(site, job) == "queued", "the clip was not put back")
    taken = steps_of(site, job)
    assert taken < CLIP["steps"], "the clip was generated before anybody could pause"
    wait_until(lambda: warm(site) == [], "a worker still holds a model")

    with open_page(browser, site) as page:
        page.context.add_cookies([{"name": "sessionid", "value": site.session_of(name), "url": site.url}])
        page.goto(f"/jobs/{job}/")
        card = page.locator(f"#job-{job}")
        expect(card.get_by_text(LINE)).to_be_visible()
        expect(card.locator(".job__status")).to_have_text("Paused")
        expect(card.locator(".job__numbers")).not_to_contain_text(re.compile("about|ready|left"))

    assert site.stop() == 0
    site.start()
    assert "already paused" in site.manage("pause").stdout
    assert state_of(site, job) == "queued"
    with open_page(browser, site) as page:
        page.context.add_cookies([{"name": "sessionid", "value": site.session_of(name), "url": site.url}])
        page.goto(f"/jobs/{job}/")
        card = page.locator(f"#job-{job}")
        expect(card.get_by_text(LINE)).to_be_visible()
        assert "Rendering resumed" in site.manage("resume").stdout
        expect(card.get_by_text(LINE)).to_be_hidden()
        expect(card).to_have_attribute("data-status", "done", timeout=PATIENCE * 1000)
    assert video_of(site, job) == video_of(site, whole)
    attempts = site.rows(ATTEMPTS, job.replace("-", ""))
    assert sorted(attempts) == [("cancelled",), ("done",)]
    log = site.log.read_text()
    assert "its checkpoint cannot be used" not in log
    assert list(site.home.rglob("checkpoint.safetensors")) == []
