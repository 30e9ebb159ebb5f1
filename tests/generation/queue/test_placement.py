"""Units go to workers with the memory for their model, preferably to idle ones that hold it; nobody waits for that."""

import base64
import json
from types import SimpleNamespace

import pytest
from django.urls import reverse

from generation.domain.memory_classes import GB, Need, queues_within
from generation.domain.stages import QUEUES, STAGES
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import broker, claims, placement, recovery, roster, services
from generation.requests import available
from generation.requests.request import RenderRequest, parse
from tests.factories import JobFactory, WorkerFactory, a_request
from tests.generation.create.pages import ADVANCED

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_capacity():
    roster._capacity.cache_clear()


@pytest.fixture
def large_model(settings, tmp_path):
    """Make the bundled model need 20 GB to generate, and its upscaler 7."""
    path = tmp_path / "large.toml"
    path.write_text("[models.tiny]\nmemory_gb = 20\n[upscalers.tiny-esrgan]\nmemory_gb = 7\n")
    settings.CATALOGUE_FILE = str(path)


def the_request(**changes) -> RenderRequest:
    return RenderRequest.from_dict(a_request(**changes))


def better(
    memory=100 * GB, warm=(), passes=0, stage=Stage.GENERATE, queues=None, is_card=True, asked=None, made=None
) -> str | None:
    place = {"name": "me", "memory": memory, "is_card": is_card, "warm": list(warm), "passes": passes}
    queues = queues or queues_within((STAGES[stage].queue,), memory)
    return placement.better_queue(stage, asked or the_request(), made, queues=queues, **place)


def test_a_stage_needs_what_the_catalogue_says(large_model):
    assert placement.needed(Stage.GENERATE, the_request()) == Need(20 * GB, 20 * GB)
    assert placement.needed(Stage.PREPROCESS, the_request()) == Need(0, 0)
    assert placement.queue_of(Stage.GENERATE, the_request()) == "generate-24gb"
    assert placement.queue_of(Stage.UPSCALE, the_request()) == "upscale-8gb"
    assert placement.queue_of(Stage.ASSEMBLE, the_request()) == "cpu"


def test_no_card_is_given_a_shipped_model_of_unknown_size():
    """A unit goes to whoever takes it first, so on a site with cards of 8 and of 24 GB, the small one would fail it."""
    models = available.catalogue().models
    asked = [parse({"prompt": "a star", "model": id}, available.catalogue(), available.limits()) for id in models]
    unknown = [request.model for request in asked if not placement.needed(Stage.GENERATE, request).card]
    assert unknown == []


def test_a_model_that_left_the_catalogue_needs_nothing():
    """Its job fails in its first stage, with an error for the user."""
    asked = RenderRequest.from_dict({**a_request(), "model": "sd-9000"})
    assert placement.needed(Stage.GENERATE, asked) == Need(0, 0)
    assert placement.engine_of(Stage.GENERATE, asked) == ""


@pytest.mark.django_db(transaction=True)
def test_a_job_is_sent_to_the_queues_of_its_memory(user, large_model):
    job = services.submit(user, parse({"prompt": "a star"}, available.catalogue(), available.limits()))
    for queue, stage in (("cpu", Stage.PREPROCESS), ("generate-24gb", Stage.GENERATE)):
        assert broker.standing()[0] == broker.Message(queue, stage, str(job.pk), 1)
        broker.connection().delete(queue)
        claims.finish(claims.claim(job.pk, 1, stage, 0, "worker"), {})
        services.send_next(job, 1)
    (raw,) = broker.connection().lrange("interpolate", 0, 0)
    assert b"upscale-8gb" in base64.b64decode(json.loads(raw)["body"])  # with what follows


def test_messages_of_every_class_count_for_their_stage_and_their_job():
    broker.connection().lpush("generate-24gb:2", "{}")
    broker.connection().lpush("generate", "{}")
    assert broker.depths()["generate"] == 2


def test_a_worker_that_is_too_small_passes_a_unit_on_to_the_next_class(large_model):
    assert better(memory=12 * GB) == "generate-24gb"
    assert better(memory=24 * GB) is None


def test_even_a_small_model_can_be_too_much_for_a_tiny_card():
    assert better(memory=GB // 10) == "generate-8gb"


def test_beyond_the_largest_class_the_largest_worker_tries(settings, tmp_path):
    path = tmp_path / "huge.toml"
    path.write_text("[models.tiny]\nmemory_gb = 500\n")
    settings.CATALOGUE_FILE = str(path)
    assert better(memory=150 * GB, queues=("generate", "generate-140gb")) is None
    assert better(memory=80 * GB, queues=("generate", "generate-80gb")) == "generate-140gb"


def test_a_cold_worker_passes_a_unit_on_to_an_idle_one_that_holds_its_model(user):
    engine = placement.engine_of(Stage.GENERATE, the_request())
    holder = WorkerFactory(warm=[engine])
    assert better() == "generate"
    assert better(warm=[engine]) is None, "it holds the model itself"
    claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, f"{holder.name}:1")
    assert better() is None, "the holder is busy: nobody waits for it"


def test_a_holder_that_is_too_small_does_not_count(large_model):
    WorkerFactory(warm=[placement.engine_of(Stage.GENERATE, the_request())], memory_total=12 * GB)
    assert better() is None


def test_a_unit_is_passed_on_a_bounded_number_of_times():
    """Whatever models others hold, the fourth worker that is handed a unit runs it."""
    WorkerFactory(warm=[placement.engine_of(Stage.GENERATE, the_request())])
    handed = [better(passes=passes) for passes in range(10)]
    assert handed == ["generate"] * placement.MAX_PASSES + [None] * (10 - placement.MAX_PASSES)


def test_a_warm_worker_asks_nobody(django_assert_num_queries):
    engine = placement.engine_of(Stage.GENERATE, the_request())
    with django_assert_num_queries(0):
        assert better(warm=[engine]) is None
        assert better(stage=Stage.PREPROCESS) is None


def test_a_user_reads_before_submitting_that_no_worker_is_large_enough(signed_in, large_model):
    def summary() -> str:
        roster._capacity.cache_clear()
        address = f"{reverse('generation:create-summary')}?mode=advanced"
        return signed_in.post(address, ADVANCED).content.decode()

    assert "largest worker" not in summary(), "without any worker, nothing is known"
    WorkerFactory(memory_total=12_900_000_000)
    page = summary()
    assert "needs 20.0 GB of memory, and the largest worker on this site has 12.9 GB" in page
    assert "Generating" in page
    WorkerFactory(memory_total=25 * GB)
    assert "largest worker" not in summary()


def test_a_user_reads_in_the_queue_why_a_clip_waits(signed_in, user, large_model):
    def page() -> str:
        roster._capacity.cache_clear()
        return signed_in.get(reverse("generation:job", args=[job.pk])).content.decode()

    job = JobFactory(user=user)
    WorkerFactory(memory_total=12_900_000_000)
    assert "needs 20.0 GB of memory" in page()
    held = claims.claim(job.pk, 1, Stage.GENERATE, 0, "large:1")
    assert "needs 20.0 GB" not in page(), "a worker has it"
    claims.fail(held, "out-of-memory", {})
    assert "needs 20.0 GB" not in page()


def test_small_models_cost_no_query(signed_in, user, django_assert_num_queries):
    asked = the_request()
    with django_assert_num_queries(0):
        assert placement.no_room(asked, available.plan_for(asked).stages) == ""


# --- Without a card ---------------------------------------------------------------------------------------------------


@pytest.fixture
def full_size() -> RenderRequest:
    """Return a request of a full-size model, which needs 1.3 GB on a card at least, and 11.3 GB without one."""
    asked = RenderRequest.from_dict({**a_request(size="512x512"), "model": "stable-diffusion-v1-5"})
    need = placement.needed(Stage.GENERATE, asked)
    assert GB < need.card < 4 * GB < 11 * GB < need.processor < 12 * GB
    return asked


def test_a_worker_without_a_card_leaves_alone_what_only_a_card_can_make_in_so_little_memory(full_size):
    for memory in (4.7, 5, 5.9, 8, 9):
        assert better(memory=int(memory * GB), is_card=True, asked=full_size) is None
        assert better(memory=int(memory * GB), is_card=False, asked=full_size) is not None
    assert better(memory=12 * GB, is_card=False, asked=full_size) is None


def test_it_passes_such_a_clip_on_to_a_card_that_can(full_size):
    WorkerFactory(memory_total=8_500_000_000, device="NVIDIA RTX")
    assert better(memory=5 * GB, is_card=False, asked=full_size) == "generate-8gb"


def test_a_class_that_it_reads_itself_is_no_larger_one(full_size):
    assert better(memory=9 * GB, is_card=False, asked=full_size) == "generate-12gb"


def test_where_only_a_small_card_of_the_same_queue_can_nothing_is_passed_round(full_size):
    """A queue that nobody reads would be worse than an attempt."""
    WorkerFactory(memory_total=6_400_000_000, device="NVIDIA RTX")
    assert better(memory=5 * GB, is_card=False, asked=full_size) is None


def test_a_user_reads_what_a_clip_needs_where_nobody_has_a_card(full_size):
    def said():
        roster._capacity.cache_clear()
        return placement.no_room(full_size, [Stage.GENERATE])

    WorkerFactory(memory_total=5 * GB)
    assert "needs 11.3 GB of memory, and the largest worker on this site has 5.0 GB" in said()
    WorkerFactory(memory_total=5 * GB, device="NVIDIA RTX")
    assert said() == "", "a card of that size can"


def test_a_worker_without_a_card_that_is_too_small_counts_neither_as_idle_nor_as_able(full_size):
    need = placement.needed(Stage.GENERATE, full_size)
    WorkerFactory(memory_total=5 * GB, warm=["a/m"])
    assert not roster.has_idle("generate", need)
    assert not roster.idle_holders("generate", "a/m", "me", need)
    WorkerFactory(memory_total=5 * GB, warm=["a/m"], device="NVIDIA RTX")
    assert roster.has_idle("generate", need)
    assert roster.idle_holders("generate", "a/m", "me", need)


# --- Economical modes -------------------------------------------------------------------------------------------------

SMALL, LARGE = 2_500_000_000, 12 * GB  # bytes: enough for the most economical mode, and for the fastest


@pytest.fixture
def engine(full_size):
    return placement.engine_of(Stage.GENERATE, full_size)


def test_a_small_card_leaves_a_clip_to_an_idle_one_that_makes_it_in_a_faster_mode(full_size):
    assert better(memory=SMALL, asked=full_size) is None, "nobody else is there"
    WorkerFactory(memory_total=LARGE, device="NVIDIA RTX")
    assert better(memory=SMALL, asked=full_size) in queues_within(("generate",), LARGE)
    assert better(memory=LARGE, asked=full_size) is None


def test_it_waits_for_nobody(user, full_size):
    larger = WorkerFactory(memory_total=LARGE, device="NVIDIA RTX")
    claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, f"{larger.name}:1")
    assert better(memory=SMALL, asked=full_size) is None
    assert better(memory=SMALL, asked=full_size, passes=placement.MAX_PASSES) is None


def test_without_a_larger_one_it_still_goes_to_whoever_holds_the_model(full_size, engine):
    WorkerFactory(memory_total=SMALL, device="NVIDIA RTX", warm=[engine])
    assert better(memory=SMALL, asked=full_size) == "generate"


@pytest.mark.parametrize("holds", [False, True])
def test_a_clip_goes_into_no_queue_that_the_idle_larger_card_does_not_read(holds):
    """Between two classes, a card has the memory of the faster mode, but not the queue in which its clips stand."""
    asked = RenderRequest.from_dict({**a_request(size="512x512", seconds=10), "model": "stable-diffusion-v1-5"})
    engine = placement.engine_of(Stage.GENERATE, asked)
    warm = [engine] if holds else []
    memory = placement.needed(Stage.GENERATE, asked).card
    least = placement._better_mode(asked, memory)
    assert placement.queue_for("generate", least) != "generate", "this clip has a class of its own"
    larger = WorkerFactory(memory_total=least + 1, device="NVIDIA RTX", warm=warm)
    assert placement.queue_for("generate", least) not in queues_within(("generate",), larger.memory_total)
    assert better(memory=memory, asked=asked, warm=warm) is None


def test_main_memory_is_no_larger_card(full_size):
    WorkerFactory(memory_total=100 * GB, device=roster.CPU)
    assert better(memory=SMALL, asked=full_size) is None


def test_a_small_card_that_holds_the_model_leaves_the_clip_only_to_one_that_holds_it_too(full_size, engine):
    WorkerFactory(memory_total=LARGE, device="NVIDIA RTX")
    assert better(memory=SMALL, asked=full_size, warm=[engine]) is None
    WorkerFactory(memory_total=LARGE, device="NVIDIA RTX", warm=[engine])
    assert better(memory=SMALL, asked=full_size, warm=[engine]) is not None


def test_a_mode_that_costs_little_is_no_reason_to_pass_a_clip_on(full_size):
    needs = placement.generation_needs(full_size)
    WorkerFactory(memory_total=LARGE, device="NVIDIA RTX")
    assert better(memory=needs["two-passes"], asked=full_size) is None


def test_an_exact_clip_is_preferred_to_a_nearly_exact_one(settings, full_size):
    settings.INEXACT_MEMORY = "early"
    needs = placement.generation_needs(full_size)
    WorkerFactory(memory_total=LARGE, device="NVIDIA RTX")
    assert better(memory=needs["8-bit"], asked=full_size) is not None
    settings.INEXACT_MEMORY = "never"
    assert better(memory=needs["split"], asked=full_size) is None


# --- Queues without a worker ------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose only item is the time by which the roster is looked at."""
    now = [1000.0]
    monkeypatch.setattr(roster, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(roster, "_FRESH_SECONDS", 10)
    return now


def look(clock, *moments):
    """Return the queues without a worker at the last of some moments, after looks at all of them."""
    for moment in moments:
        clock[0] = 1000.0 + moment
        found = roster.unserved()
    return found


def test_a_queue_is_without_a_worker_only_after_longer_than_a_heartbeat(clock):
    WorkerFactory(queues=["cpu", "generate"])
    assert look(clock, 0, 9) == set()
    assert look(clock, 20) == {"interpolate", "upscale"}
    WorkerFactory(queues=["upscale"])
    assert look(clock, 31) == {"interpolate"}


def test_what_a_process_saw_long_ago_says_nothing(clock):
    assert look(clock, 0, 20) != set()
    assert look(clock, 2000) == set(), "the worker may only just have gone"
    assert look(clock, 2011) != set()


def test_a_worker_that_is_started_again_is_not_missed(clock):
    worker = WorkerFactory(queues=list(QUEUES))
    look(clock, 0)
    worker.delete()
    assert look(clock, 20) == set()
    WorkerFactory(queues=list(QUEUES))
    assert look(clock, 31, 60) == set()


@pytest.fixture
def nobody_upscales(monkeypatch):
    WorkerFactory(queues=["cpu", "generate", "interpolate"])
    monkeypatch.setattr(roster, "unserved", lambda: frozenset({"upscale"}))


SENTENCE = "No worker for the step “Upscaling” is running."


def test_a_clip_says_that_nobody_runs_one_of_its_steps(signed_in, user, nobody_upscales):
    job = JobFactory(user=user)
    page = signed_in.get(reverse("generation:job", args=[job.pk])).text
    assert page.count(SENTENCE) == 2, "the clip and its row in the panel"
    assert "manage.py" not in page
    assert SENTENCE in signed_in.get(reverse("generation:create")).text


def test_the_staff_reads_what_to_start(signed_in, user, nobody_upscales):
    user.is_staff = True
    user.save()
    page = signed_in.get(reverse("generation:job", args=[JobFactory(user=user).pk])).text
    assert "manage.py serve --only workers --queues upscale" in page


def test_a_step_that_is_done_or_not_needed_needs_no_worker(signed_in, user, monkeypatch):
    job = JobFactory(user=user)
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    claims.finish(claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker"), {})
    monkeypatch.setattr(roster, "unserved", lambda: frozenset({"generate"}))
    assert "No worker" not in signed_in.get(reverse("generation:job", args=[job.pk])).text


# --- While the catalogue changes --------------------------------------------------------------------------------------


@pytest.fixture
def planned_before(user, settings, tmp_path):
    """Return a clip of 1080p that waits since its model was made smaller than its native size, which it has now."""
    path = tmp_path / "before.toml"
    path.write_text("[models.wan2-1-t2v-1-3b]\nnative_sizes = {}\n")
    settings.CATALOGUE_FILE = str(path)
    job = JobFactory(user=user, request=a_request(model="wan2-1-t2v-1-3b", size="1920x1080", seconds=5, fps=16))
    settings.CATALOGUE_FILE, settings.INEXACT_MEMORY = "", "never"
    assert job.render_plan.base_width < available.plan_for(job.render_request).base_width
    return job


def test_a_clip_that_waits_needs_what_its_own_plan_needs(planned_before):
    asked, made = planned_before.render_request, planned_before.render_plan
    assert placement.queue_of(Stage.GENERATE, asked) == "generate-12gb"
    assert placement.queues_of(asked, made)[Stage.GENERATE] == "generate"
    assert better(memory=8 * GB, asked=asked) == "generate-12gb"
    assert better(memory=8 * GB, asked=asked, made=made) is None
    assert (
        placement.at_full_speed(Stage.GENERATE, asked, made).card < placement.at_full_speed(Stage.GENERATE, asked).card
    )


def test_its_page_does_not_say_that_it_waits_for_a_larger_card(signed_in, planned_before):
    WorkerFactory(memory_total=9 * GB, device="NVIDIA RTX")
    assert placement.no_room(planned_before.render_request, [Stage.GENERATE])
    page = signed_in.get(reverse("generation:job", args=[planned_before.pk])).content.decode()
    assert "largest worker on this site" not in page


def test_it_does_not_stay_in_the_queue_of_a_larger_card_that_has_gone(planned_before):
    Job.objects.filter(pk=planned_before.pk).update(waits_in="generate-24gb")
    WorkerFactory(memory_total=9 * GB, device="NVIDIA RTX")
    recovery.requeue_lost()
    assert Job.objects.get(pk=planned_before.pk).waits_in != "generate-24gb"
