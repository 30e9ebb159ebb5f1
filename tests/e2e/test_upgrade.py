"""A site of the previous version, stopped in the middle of its work, continues in this version (`make test-upgrade`).

The previous version is started from the git history, filled and stopped (tests/rigs/site_in_use.py); then this checkout
is started on the same folder, with the same Redis and the messages waiting in it.
"""

import re
import urllib.request
from uuid import UUID

import av
import pytest
import redis

from tests.e2e.held_stages import job_folder, wait_until
from tests.html_forms import fields_of
from tests.rigs import earlier_version, site_in_use
from tests.rigs.site_in_use import DRAFT, KEPT_HERE, MANY, OWNER, PRESET, ROWS, changes, tables
from tests.rigs.visitor import get, post, visit
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.slow]

BEFORE = "18e5fa6"  # the last commit of the released version
ACTIVE = ("assembling", "halved", "between", "handed-back", "waiting", "queued", "unsent", "row-1", "row-2")
# Stages finished before the upgrade, by job; `halved` was stopped while its second chunk was being interpolated.
FIRST_TWO = {("preprocess", 0), ("generate", 0)}
CHUNKS = {(stage, index) for stage in ("interpolate", "upscale") for index in (0, 1)}
FINISHED = {
    "assembling": FIRST_TWO | CHUNKS,
    "halved": FIRST_TWO | {("interpolate", 0), ("upscale", 0)},
    "between": FIRST_TWO,
    "handed-back": {("preprocess", 0)},
    "waiting": {("preprocess", 0)},
}
# The next tasks, left in Redis by the previous version for the workers of this one.
NEXT = {
    "assembling": ["assemble"],
    "between": ["interpolate", "interpolate"],
    "handed-back": ["generate"],
    "waiting": ["generate"],
    "queued": ["preprocess"],
    "row-1": ["preprocess"],
    "row-2": ["preprocess"],
}
PATIENCE = 600  # seconds, for all jobs together
LOST = ("halved", "unsent")  # their messages are gone; the sweeper finds them


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Return the story of a site of the previous version, used and stopped."""
    old = earlier_version.unpack(BEFORE, tmp_path_factory.mktemp("before"))
    return site_in_use.Teller(old, tmp_path_factory.mktemp("upgrade") / "home").tell()


@pytest.fixture(scope="module")
def site(story):
    """Yield this version on the same folder, once every active job has ended."""
    started = Site(story.home, AURAVIDEO_LOST_AFTER="5", **KEPT_HERE)
    started.log.rename(story.home / "before.log")
    started.start()
    active = "SELECT id, status, run FROM generation_job WHERE status IN ('queued', 'running')"
    try:
        wait_until(lambda: not started.rows(active), "some jobs never ended", PATIENCE)
        yield started
    finally:
        assert started.stop() == 0
        assert started.processes() == []


@pytest.fixture(scope="module")
def after(site):
    """Return the rows of every table, before anyone opened a page."""
    return tables(site.home)


def runs_of(rows, job) -> list[dict]:
    return [run for run in rows["generation_stagerun"].values() if run["job_id"] == UUID(job).hex]


def finished(rows, job) -> list[tuple[str, int]]:
    return sorted((run["stage"], run["chunk"]) for run in runs_of(rows, job) if run["status"] == "done")


def units(asked) -> set[tuple[str, int]]:
    """Return every stage of every chunk of a 128-pixel clip."""
    per_chunk = ("interpolate", "upscale") if asked["fps"] != "8" else ("upscale",)
    chunks = {(stage, index) for stage in per_chunk for index in range(int(asked["seconds"]))}
    return FIRST_TWO | chunks | {("assemble", 0)}


def decoded(path) -> tuple[int, int, int]:
    """Decode every frame of a file and return (width, height, frames)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return frames[0].width, frames[0].height, len(frames)


# --- Before the upgrade -----------------------------------------------------------------------------------------------


def test_the_site_was_stopped_where_it_should_be(story):
    states = {job["id"]: job["status"] for job in story.before["generation_job"].values()}
    found = {name: states[UUID(job).hex] for name, job in (story.ended | story.active).items()}
    done = dict.fromkeys(("public", "unlisted", "trashed", "draft"), "done")
    ended = {**done, "stopped": "cancelled", "cut": "cancelled", "failing": "failed"}
    half = {**dict.fromkeys(("assembling", "halved", "between", "waiting"), "running"), "handed-back": "queued"}
    assert found == {**ended, **half, **dict.fromkeys(("queued", "unsent", "row-1", "row-2"), "queued")}
    for name, units_done in FINISHED.items():
        assert finished(story.before, story.active[name]) == sorted(units_done), name
    assert set(ACTIVE) == set(story.active)


def test_the_version_before_left_its_messages(story):
    left = {name: story.messages.get(job, []) for name, job in story.active.items()}
    tasks = {name: [task.rpartition(".")[2] for _queue, task, _run in found] for name, found in left.items()}
    assert tasks == {**NEXT, **{name: [] for name in LOST}}
    assert story.messages[story.ended["cut"]], "nothing was left of the clip that was cancelled"


# --- Jobs that continue -----------------------------------------------------------------------------------------------


def test_every_migration_is_applied(site):
    assert site.manage("migrate", "--check").returncode == 0


@pytest.mark.parametrize("name", ACTIVE)
def test_a_job_ends_with_one_video_of_what_was_asked_for(story, after, site, name):
    job, asked = story.active[name], story.asked[name]
    row = after["generation_job"][UUID(job).hex]
    assert row["status"] == "done", f"{row}\n{site.log.read_text()[-3000:]}"
    (video,) = [video for video in after["gallery_video"].values() if video["job_id"] == UUID(job).hex]
    found = decoded(site.home / "media" / video["video_file"])
    assert found == (128, 128, int(asked["seconds"]) * int(asked["fps"]))
    assert not job_folder(site, job).exists()


@pytest.mark.parametrize("name", ACTIVE)
def test_no_stage_that_was_finished_is_done_again(story, after, name):
    job = story.active[name]
    assert finished(after, job) == sorted(units(story.asked[name]))
    for id, run in story.before["generation_stagerun"].items():
        if run["job_id"] == UUID(job).hex and run["status"] != "running":
            assert changes(run, after["generation_stagerun"].get(id)) == {}


@pytest.mark.parametrize("name", ACTIVE)
def test_the_messages_of_the_version_before_are_understood(story, after, name):
    """Check the run numbers: if a message were dropped, the sweeper would find its job and start the next run."""
    before, now = (rows["generation_job"][UUID(story.active[name]).hex] for rows in (story.before, after))
    assert now["run"] - before["run"] == (1 if name in LOST else 0)


def test_what_was_being_done_when_it_was_stopped_by_force_counts_as_lost(story, after):
    (held,) = [run for run in runs_of(story.before, story.active["halved"]) if run["status"] == "running"]
    assert (held["stage"], held["chunk"]) == ("interpolate", 1)
    assert after["generation_stagerun"][str(held["id"])]["status"] == "lost"


def test_nothing_is_left_in_the_queues_and_nothing_went_wrong(story, site, after):
    broker = redis.Redis(unix_socket_path=str(site.home / "redis" / "redis.sock"))
    wait_until(lambda: not site_in_use.messages(broker), f"messages were left: {site_in_use.messages(broker)}")
    log = site.log.read_text()
    assert "Traceback" not in log
    assert "unregistered" not in log


# --- Finished jobs ----------------------------------------------------------------------------------------------------


def test_what_had_ended_is_as_it_was(story, after):
    active = {UUID(job).hex for job in story.active.values()}
    compared = 0
    for table, rows in story.before.items():
        for id, row in rows.items():
            if id not in active and row.get("job_id") not in active:
                assert changes(row, after[table].get(id)) == {}, f"{table} {row}"
                compared += 1
    assert compared > 40


def test_a_failed_clip_is_tried_again_from_the_stage_that_failed(story, site, after):
    job = story.ended["failing"]
    (job_folder(site, job) / "upscale").unlink()
    visit(site, post("failing", f"/jobs/{job}/retry/"))
    status = "SELECT status FROM generation_job WHERE id = ?"
    wait_until(lambda: site.rows(status, UUID(job).hex)[0][0] not in ("queued", "running"), "it never ended")
    assert site.rows(status, UUID(job).hex) == [("done",)]
    done = [(run["stage"], run["chunk"]) for run in runs_of(tables(site.home), job) if run["status"] == "done"]
    assert sorted(done) == sorted(units(story.asked["failing"]))


def test_videos_play_where_they_did(story, site, after, tmp_path):
    cookie = f"sessionid={site.session_of(OWNER)}"
    private, shared = story.videos["draft"], story.token
    for address, cookies in (
        (f"/videos/{private}/file/", cookie),
        (f"/videos/{story.videos['public']}/file/", ""),
        (f"/s/{shared}/file/", ""),
    ):
        request = urllib.request.Request(site.url + address, headers={"Cookie": cookies})
        with urllib.request.urlopen(request) as answer:
            (tmp_path / "file").write_bytes(answer.read())
        assert decoded(tmp_path / "file")[:2] == (128, 128), address
    pages = [get("", f"/videos/{private}/"), get("", f"/s/{shared}/"), get("", "/explore/"), get(OWNER, "/videos/")]
    hidden, linked, explore, library = visit(site, *pages)
    assert (hidden["status"] in (302, 404), linked["status"]) == (True, 200)
    assert story.videos["public"] in explore["html"]
    assert private in library["html"]
    assert story.videos["trashed"] not in library["html"]


def test_what_was_in_the_trash_can_be_restored(story, site, after):
    video = story.videos["trashed"]
    _restored, library = visit(site, post(OWNER, f"/videos/{video}/restore/"), get(OWNER, "/videos/"))
    assert video in library["html"]


def test_a_file_of_the_version_before_fills_in_the_form(story, site, after):
    path = site.home / "media" / after["gallery_video"][UUID(story.videos["unlisted"]).hex]["video_file"]
    (page,) = visit(site, post(OWNER, "/create/from-file/?mode=advanced", {"video_file": path}))
    shown = fields_of(page["html"], "create-form")
    asked = story.asked["unlisted"]
    assert {name: shown[name] for name in asked} == asked


def test_a_draft_of_the_version_before_is_offered_in_full(story, site, after):
    job, video = story.ended["draft"], story.videos["draft"]
    for page, source in ((f"/jobs/{job}/", f"from={job}"), (f"/videos/{video}/", f"video={video}")):
        (shown,) = visit(site, get(OWNER, page))
        (address,) = re.findall(rf'href="(/create/\?{source}&amp;quality=standard)"', shown["html"])
        (form,) = visit(site, get(OWNER, address.replace("&amp;", "&")))
        values = fields_of(form["html"], "create-form")
        assert (values["prompt"], values["seed"], values["quality"]) == (DRAFT["prompt"], DRAFT["seed"], "standard")


def test_a_preset_of_the_version_before_can_be_used(story, site, after):
    (page,) = visit(site, get(OWNER, f"/create/?mode=advanced&preset={story.preset}"))
    shown = fields_of(page["html"], "create-form")
    assert {name: shown[name] for name in PRESET} == PRESET


def test_a_batch_that_is_given_again_goes_on(story, site, after):
    jobs = site.rows("SELECT count(*) FROM generation_job")
    (answer,) = visit(site, post(OWNER, "/create/many/", **MANY))
    assert answer["to"] == f"/batches/{story.batch}/"
    done = site.manage("batch", "-", "--user", OWNER, "--format", "csv", "--wait", stdin=ROWS)
    assert done.returncode == 0, done.stderr
    assert site.rows("SELECT count(*) FROM generation_job") == jobs
