"""The site that compose.yaml starts: people use it at the published port, and clips survive what operators do."""

import time
from pathlib import Path

import pytest

from generation.domain.stages import QUEUES
from tests.compose.clips import (
    CLIP,
    CLIP_SECONDS,
    LONG_CLIP,
    LONG_SECONDS,
    plays,
    services_at_work,
    stored,
    video_files,
    video_of,
    wait_for_jobs,
    waiting_for,
)
from tests.compose.guest import Guest
from tests.e2e.held_stages import wait_until
from tests.rigs.containers import images, secret_scan

pytestmark = pytest.mark.containers

WEB_MEGABYTES = 450


# --- Images -----------------------------------------------------------------------------------------------------------


def test_the_image_of_the_site_is_small(built):
    (web,) = [image for image, target in built.built_images().items() if target == "web"]
    assert images.size(built.engine, web) < WEB_MEGABYTES * 1e6


def test_no_image_keeps_files_that_only_its_build_needed(built):
    for image in built.built_images():
        left = built.engine.docker("run", "--rm", "--user=0", image, "find", "/tmp", "/root", "-size", "+100k")
        assert left.split() == [], image


# --- A clip -----------------------------------------------------------------------------------------------------------


def test_everything_is_up_and_healthy(site):
    for container in site.containers(ended=True):
        state, name = container["State"], container["Name"]
        if "Health" in state:
            assert state["Health"]["Status"] == "healthy", name
        else:
            assert state["Running"] or state["ExitCode"] == 0, name
        assert container["RestartCount"] == 0, name


def test_no_container_has_more_rights_than_it_names(site):
    for container in site.containers():
        name, host = container["Name"], container["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["Privileged"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        user = site.engine.run("stat", "--format=%u", f"/proc/{container['State']['Pid']}").strip()
        assert user != "0", f"{name} runs as root"


def test_only_the_site_is_reachable_from_outside(site):
    published = {
        (container["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"], binding["HostPort"])
        for container in site.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    }
    assert published == {("web", "127.0.0.1", "8000")}


def test_a_clip_passes_every_queue_and_its_files_lie_in_the_store(site, guest, measured):
    started = time.monotonic()
    job = guest.create("a large red heart rising over the sea", **CLIP)
    wait_for_jobs(site, [job], CLIP_SECONDS)
    measured.seconds("first clip, models loading", time.monotonic() - started)
    assert set(services_at_work(site, job).values()) == set(QUEUES)
    objects = stored(site)
    for name in video_files(site, job):
        assert [size for key, size in objects.items() if key.endswith(name)] != [0]
        assert len([key for key in objects if key.endswith(name)]) == 1
    assert plays(guest, site, job)
    wait_until(lambda: not stored(site, f"jobs/{job}/"), "the frames between the stages are still there")


def test_nobody_else_gets_the_file(site, guest, engine):
    job = guest.create("a cyan star", **CLIP)
    wait_for_jobs(site, [job], CLIP_SECONDS)
    stranger = Guest(engine).sign_up()
    with pytest.raises(OSError, match="404"):
        stranger.get(f"/videos/{video_of(site, job)}/file/")


# --- What operators do ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_three_workers_share_one_long_clip(site, guest, measured):
    site.up("--scale", "upscale=3", "--no-recreate")
    try:
        started = time.monotonic()
        job = guest.create("a green square moving left", **LONG_CLIP)
        wait_until(lambda: stored(site, f"jobs/{job}/"), "no frames arrived in the store")
        wait_for_jobs(site, [job], LONG_SECONDS)
        measured.seconds("a clip of 10 s with three upscale workers", time.monotonic() - started)
        upscaled = f"FROM generation_stagerun WHERE job_id = '{job}' AND stage = 'upscale'"
        chunks = dict(site.rows(f"SELECT worker, count(*) {upscaled} GROUP BY worker"))
        assert len(chunks) > 1, chunks
        assert plays(guest, site, job)
    finally:
        site.up("--scale", "upscale=1", "--no-recreate")


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_clip_finishes(site, guest, measured):
    (before,) = site.containers("generate")
    job = guest.create("a purple circle bouncing", **{**CLIP, "steps": "60"})
    at_work = f"SELECT 1 FROM generation_stagerun WHERE job_id = '{job}' AND stage = 'generate' AND done > 0"
    wait_until(lambda: site.rows(at_work), "generation did not begin")
    site.crash(before)
    started = time.monotonic()
    wait_for_jobs(site, [job], LONG_SECONDS)
    measured.seconds("from a worker's death to its clip's end", time.monotonic() - started)
    (after,) = site.containers("generate")
    assert (after["Id"], after["RestartCount"]) == (before["Id"], before["RestartCount"] + 1)
    attempts = site.rows(f"SELECT status FROM generation_stagerun WHERE job_id = '{job}' AND stage = 'generate'")
    assert len(attempts) == 2, attempts
    assert plays(guest, site, job)


@pytest.mark.slow
def test_an_upgrade_keeps_the_clips_in_the_queue(site, guest, measured):
    application = ("web", "scheduler", *QUEUES)
    before = {name: site.containers(name)[0]["Image"] for name in application}
    with (site.folder / "auravideo" / "__init__.py").open("a") as code:
        code.write('\nREBUILT = "yes"\n')
    site.compose("build", "--quiet")
    jobs = [guest.create(f"a {colour} cross", **{**CLIP, "steps": "30"}) for colour in ("red", "blue", "pink", "green")]
    assert len(waiting_for(site, "generate", jobs)) >= 2, "the queue is empty before the upgrade begins"
    measured.seconds("upgrade to rebuilt images, with clips in the queue", site.up())
    wait_for_jobs(site, jobs, LONG_SECONDS)
    for name in application:
        (container,) = site.containers(name)
        assert container["Image"] != before[name], f"{name} still runs the old image"
    assert site.compose("exec", "-T", "web", "python", "-c", "import auravideo; print(auravideo.REBUILT)") == "yes\n"
    assert all(plays(guest, site, job) for job in jobs)


@pytest.mark.slow
def test_nothing_is_lost_by_down_and_up(site, guest, measured):
    done = guest.create("a yellow triangle", **CLIP)
    wait_for_jobs(site, [done], CLIP_SECONDS)
    objects, users = stored(site), site.rows("SELECT count(*) FROM accounts_user")
    waiting = [guest.create(f"an orange star, {number}", **{**CLIP, "steps": "30"}) for number in range(3)]
    started = time.monotonic()
    site.compose("down")
    measured.seconds("down", time.monotonic() - started)
    assert site.containers(ended=True) == []
    measured.seconds("up to healthy after down", site.up())
    assert site.rows("SELECT count(*) FROM accounts_user") == users
    assert objects.items() <= stored(site).items()
    guest.get("/create/")  # the session is still valid
    guest.sign_in()
    assert plays(guest, site, done)
    wait_for_jobs(site, waiting, LONG_SECONDS)


# --- Last: everything has left its traces by now ----------------------------------------------------------------------


def test_no_secret_is_in_images_logs_or_what_inspect_shows(site, guest):
    secrets = site.secrets()
    assert len(secrets) >= 5
    names = [container["Name"].lstrip("/") for container in site.containers(ended=True)]
    assert secret_scan.in_containers(site.engine, secrets, names) == {}
    assert secret_scan.in_images(site.engine, secrets, site.built_images()) == {}
    assert not [path for path in Path(site.folder).rglob("secrets/*") if path.stat().st_mode & 0o022]
