"""Many worker processes on one site: they share the work, join and leave, drain, and take what fits their memory."""

import signal
import time
from uuid import UUID

import pytest

from tests.rigs.crew import Crew
from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

LARGE = """
[models.tiny]
native_size = 128
memory_gb = 20

[models.small]
label = "Small"
purpose = "The same model under another name."
family = "tiny"
builtin = true
folder = "text-to-video"
files = ["model_index.json"]
licence = "as AuraVideo"
native_size = 128
min_size = 64
native_fps = 8
steps = 2
guidance = 1.0
scheduler = { class = "DDIMScheduler" }
max_prompt_tokens = 48
adapter = "tiny-motion"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
memory_gb = 1
"""
# One chunk, three stages: the test is about who runs `generate`.
SHORT = {"seconds": 1, "fps": 8, "size": "128x128"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Yield a site without workers of its own, which notices a dead one after five seconds."""
    home = tmp_path_factory.mktemp("crew") / "home"
    home.mkdir()
    (home / "catalogue.toml").write_text(LARGE)
    started = Site(home, queues="", AURAVIDEO_LOST_AFTER="5", AURAVIDEO_CATALOGUE=str(home / "catalogue.toml")).start()
    yield started
    assert started.stop() == 0
    assert started.processes() == []


@pytest.fixture
def crew(site):
    with Crew(site) as crew:
        crew.start("cpu", "cpu")
        yield crew


def done_by(crew: Crew, stage: str, *jobs: str) -> list[str]:
    """Return who finished a stage of some jobs, in order of start."""
    runs = [run for job in jobs for run in crew.runs(job)]
    return [run["worker"] for run in runs if (run["stage"], run["status"]) == (stage, "done")]


def busy(crew: Crew, name: str) -> bool:
    return any((run["worker"], run["status"]) == (name, "running") for run in crew.runs())


def test_a_drained_worker_finishes_its_stage_and_takes_no_more_until_it_is_told(crew):
    first = crew.start("g1", "generate", LIGHT_SECONDS="6")  # a command may take seconds to start
    jobs = [crew.submit(**SHORT, model="small") for _ in range(2)]
    crew.until(lambda: busy(crew, first), "nobody took the first clip")
    drained = crew.site.manage("workers", first, "--drain", "--wait")
    assert (drained.returncode, "drained" in drained.stdout) == (0, True), drained.stdout + drained.stderr
    assert done_by(crew, "generate", *jobs) == [first], "it did not finish its stage, or took another"
    crew.until_done(jobs[0])
    time.sleep(1)
    assert not busy(crew, first)
    second = crew.start("g2", "generate")
    crew.until_done(jobs[1])
    assert done_by(crew, "generate", jobs[1]) == [second]
    crew.stop("g2")
    assert crew.site.manage("workers", first, "--undrain").returncode == 0
    job = crew.submit(**SHORT, model="small")
    crew.until_done(job)
    assert done_by(crew, "generate", job) == [first]


POST_AS_ADMIN = """
from django.test import Client
from accounts.models import User
from generation.models import Worker
admin, _ = User.objects.get_or_create(username="boss", email="boss@example.org", is_staff=True, is_superuser=True)
client = Client(SERVER_NAME="127.0.0.1")
client.force_login(admin)
chosen = [Worker.objects.get(name={name!r}).pk]
answer = client.post("/admin/generation/worker/", {{"action": {action!r}, "_selected_action": chosen}}, follow=True)
print("drain" in answer.content.decode())
"""


def test_a_worker_is_drained_from_the_admin(crew):
    name = crew.start("g1", "generate")
    assert crew.site.python(POST_AS_ADMIN.format(name=name, action="drain")) == "True"
    crew.until(lambda: crew.members()[name]["state"] == "drained", "it was not drained")
    job = crew.submit(**SHORT, model="small")
    crew.until(lambda: [run["stage"] for run in crew.runs(job)] == ["preprocess"], "it was not prepared")
    time.sleep(1)
    assert done_by(crew, "generate", job) == []
    crew.site.python(POST_AS_ADMIN.format(name=name, action="undrain"))
    crew.until_done(job)


def test_a_worker_that_stops_is_gone_at_once_and_one_that_is_killed_soon(crew):
    crew.start("g1", "generate")
    dead = crew.start("g2", "generate")
    crew.stop("g1")
    assert set(crew.members()) == {"cpu@rig", dead}
    crew.stop("g2", "kill")
    crew.until(lambda: set(crew.members()) == {"cpu@rig"}, "the dead worker is still there")
    crew.until(lambda: crew.site.rows("SELECT name FROM generation_worker") == [("cpu@rig",)], "its row is still there")


def test_a_large_model_goes_to_the_large_worker_whoever_is_idle(crew):
    small = crew.start("small", "generate", AURAVIDEO_WORKER_MEMORY="8")
    job = crew.submit(**SHORT)
    crew.until(lambda: [run["stage"] for run in crew.runs(job)] == ["preprocess"], "it was not prepared")
    time.sleep(2)
    assert crew.status(job) == "queued", "it waits, and does not fail"
    assert done_by(crew, "generate", job) == []
    large = crew.start("large", "generate", AURAVIDEO_WORKER_MEMORY="24")
    jobs = [job, *(crew.submit(**SHORT) for _ in range(4))]
    crew.until_done(*jobs)
    assert set(done_by(crew, "generate", *jobs)) == {large}
    assert {run["run"] for made in jobs for run in crew.runs(made)} == {1}, "waiting used up an attempt"
    crew.site.manage("workers", large, "--drain", "--wait")
    light = crew.submit(**SHORT, model="small")
    crew.until_done(light)
    assert done_by(crew, "generate", light) == [small]


def test_a_large_worker_serves_small_and_large_models_in_turn(crew):
    """Neither kind waits for the other's whole queue."""
    crew.start("large", "generate", AURAVIDEO_WORKER_MEMORY="24", LIGHT_SECONDS="0.1")
    crew.stop("cpu")
    large = [crew.submit(f"l{n}", **SHORT) for n in range(4)]
    small = [crew.submit(f"s{n}", **SHORT, model="small") for n in range(4)]
    crew.workers["large"].send_signal(signal.SIGSTOP)
    crew.start("cpu", "cpu")
    crew.until(
        lambda: sum(run["status"] == "done" for job in large + small for run in crew.runs(job)) == 8, "unprepared"
    )
    crew.workers["large"].send_signal(signal.SIGCONT)
    crew.until_done(*large, *small)
    order = [run["job"] for run in crew.runs() if run["stage"] == "generate" and run["job"] in _hex(large + small)]
    kinds = ["large" if job in _hex(large) else "small" for job in order]
    assert sorted(kinds[:4]) == ["large", "large", "small", "small"], kinds


def _hex(jobs: list[str]) -> list[str]:
    return [job.replace("-", "") for job in jobs]


def test_a_worker_that_holds_the_model_gets_the_clip_while_it_is_idle(crew):
    holder = crew.start("g1", "generate")
    crew.until_done(crew.submit(**SHORT, model="small"))
    crew.until(lambda: crew.members()[holder]["warm"] == ["small/tiny-motion"], "it does not say what it holds")
    crew.start("g2", "generate")
    crew.start("g3", "generate")
    jobs = []
    for _ in range(6):
        jobs.append(crew.submit(**SHORT, model="small"))
        crew.until_done(jobs[-1])
    assert done_by(crew, "generate", *jobs).count(holder) >= 5, crew.log("g2").read_text()
    assert "Passing generate" in crew.log("g2").read_text() + crew.log("g3").read_text()


def test_two_generate_workers_halve_the_time_of_a_queue(crew):
    def seconds() -> float:
        jobs = [crew.submit(f"q{n}", **SHORT, model="small") for n in range(8)]
        crew.until_done(*jobs)
        return crew.span("generate", *jobs)

    crew.start("g1", "generate", LIGHT_SECONDS="1")
    one = seconds()
    crew.start("g2", "generate", LIGHT_SECONDS="1")
    two = seconds()
    assert one > 8, "eight clips of a second each, one after the other"
    assert 0.35 < two / one < 0.8, (one, two)  # one alone takes as long as before; a pause of the machine is a second


def test_two_workers_share_a_queue_whatever_they_hold(crew):
    """The preference never leaves a worker idle while a clip waits."""
    crew.start("g1", "generate", LIGHT_SECONDS="0.5")
    crew.until_done(crew.submit(**SHORT, model="small"))
    crew.start("g2", "generate", LIGHT_SECONDS="0.5")
    jobs = [crew.submit(f"u{n}", **SHORT, model="small") for n in range(6)]
    crew.until_done(*jobs)
    assert set(done_by(crew, "generate", *jobs)) == {"g1@rig", "g2@rig"}


def test_chunks_of_one_clip_spread_over_workers_that_join_and_leave(crew):
    crew.start("g1", "generate")
    crew.start("i1", "interpolate")
    crew.start("u1", "upscale", LIGHT_SECONDS="4")
    job = crew.submit(seconds=10, fps=24, size="256x256", model="small")
    crew.until(lambda: busy(crew, "u1@rig"), "nobody upscales")
    for name in ("u2", "u3"):
        crew.start(name, "upscale", wait=False, LIGHT_SECONDS="4")
    crew.until(lambda: busy(crew, "u3@rig"), "the third has nothing to do")
    crew.stop("u1", "kill")
    crew.until_done(job)
    done = done_by(crew, "upscale", job)
    assert len(done) == 10
    assert {"u2@rig", "u3@rig"} <= set(done)


def test_idle_workers_load_the_models_of_later_stages_while_the_first_one_works(site, crew):
    """Each loads for three seconds; one after the other would take nine."""
    for queue, seconds in (("generate", "4"), ("interpolate", "1"), ("upscale", "1")):
        crew.start(queue, queue, LIGHT_LOAD="3", LIGHT_SECONDS=seconds)
    job = crew.submit(model="small", seconds=1, fps=16, size="256x256")
    crew.until_done(job)
    loads = site.rows("SELECT stage FROM generation_stagerun WHERE job_id = ? AND load_seconds > 0", UUID(job).hex)
    assert loads == [("generate",)]
    engines = site.rows("SELECT DISTINCT engine FROM generation_loadtime")  # also those of other tests
    assert {("small/tiny-motion",), ("tiny-esrgan",), ("tiny-film",)} <= set(engines)


def test_a_worker_without_work_unloads_its_models_and_is_there_for_the_next_clip(crew):
    name = crew.start("idle", "generate", AURAVIDEO_UNLOAD_AFTER="2", AURAVIDEO_WORKER_MEMORY="24")
    first = crew.submit(**SHORT)
    crew.until_done(first)
    (process,) = crew.processes("generate", first)
    crew.until(lambda: crew.members()[name]["warm"] == [], "it still holds its model")
    second = crew.submit(**SHORT)
    crew.until_done(second)
    (other,) = crew.processes("generate", second)  # a single one: unloading used up no attempt
    assert other != process
