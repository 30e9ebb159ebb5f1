"""The live summary of the create page: the result to expect and the time it takes."""

from html import unescape

import pytest
from django.urls import reverse

from generation.create import summaries
from generation.domain.plan import plan
from generation.domain.states import Status
from generation.models import Job
from generation.queue.loading import ahead
from generation.requests import available
from tests.factories import JobFactory, a_request
from tests.generation.create.pages import ADVANCED, SIMPLE, create, edit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("mode", "data"), [("simple", SIMPLE), ("advanced", ADVANCED)])
def test_the_summary_is_what_the_workers_will_do(signed_in, user, mode, data):
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode={mode}", {**data, "prompt": ""})
    summary = response.context["summary"]
    create(signed_in, mode, data)
    job = Job.objects.get(user=user)
    assert summary.plan == job.render_plan == plan(job.render_request, available.catalogue().models["tiny"])
    assert "about" in response.content.decode().lower()


def test_the_summary_says_sizes_rates_and_steps(signed_in):
    data = {**ADVANCED, "aspect": "1:1", "short_side": "256", "fps": "24", "steps": "16", "seconds": "2"}
    text = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", data).content.decode()
    text = text.replace("\u00a0", " ")
    for part in ("17 frames of 64 × 64", "16 steps", "48 frames at 24 per second", "4 times, to 256 × 256"):
        assert part in text


def test_the_summary_counts_the_queue_and_the_variations(signed_in, other_user):
    JobFactory.create_batch(2, user=other_user)
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", {**ADVANCED, "variations": "4"})
    summary = response.context["summary"]
    assert (summary.queue.jobs, summary.clips) == (1, 4), "the other user's second clip comes later"
    assert summary.queue.seconds > 0
    assert "4 clips" in response.content.decode()


def test_another_persons_flood_does_not_count_as_before_a_first_clip(user, other_user):
    for priority in (0, 1, 2):
        JobFactory(user=other_user, priority=priority)
    JobFactory(user=other_user, priority=9, status=Status.RUNNING)
    asked = JobFactory.build(user=user)
    assert summaries.queue_for(user, [asked.render_request]).jobs == 2


def test_entries_missing_from_the_catalogue_do_not_break_the_page(signed_in, user, other_user):
    JobFactory(user=other_user, request={**a_request(), "model": "sd-9000"})
    JobFactory(user=other_user, request={**a_request(), "width": 4000, "height": 4000})
    job = JobFactory(user=user, request={**a_request(), "width": 4000, "height": 4000})
    assert signed_in.get(reverse("generation:create"), {"from": job.pk, "quality": "best"}).status_code == 200


def test_the_summary_names_the_words_that_the_model_does_not_know(signed_in):
    def summary_of(prompt):
        address = f"{reverse('generation:create-summary')}?mode=simple"
        return signed_in.post(address, {**SIMPLE, "prompt": prompt}).content.decode()

    told = summary_of("a corgi on the street")
    assert "corgi, street" in told
    assert "It knows: circle" in told
    assert "notice--warning" not in summary_of("a red heart rising")
    assert "notice--warning" not in summary_of(" ")


def test_nonsense_input_does_not_break_the_summary(signed_in):
    response = signed_in.post(f"{reverse('generation:create-summary')}?mode=advanced", {"steps": "x", "model": "y"})
    assert response.status_code == 200
    assert response.context["summary"] is None


def test_the_simple_mode_says_what_each_quality_costs(signed_in):
    response = signed_in.get(reverse("generation:create"), {"mode": "simple"})
    costs = response.context["costs"]
    assert costs["draft"].seconds < costs["standard"].seconds < costs["best"].seconds
    live = signed_in.post(f"{reverse('generation:create-summary')}?mode=simple", SIMPLE).content.decode()
    assert live.count("hx-swap-oob") == 4, "each cost, and the time beside the button"


def test_what_was_set_under_advanced_has_its_cost_too(signed_in):
    costs = edit(signed_in, "mode=advanced&to=simple", ADVANCED).context["costs"]
    assert (costs["custom"].short_side, costs["custom"].fps) == (200, 16)


def test_models_are_loaded_while_somebody_describes_a_clip(signed_in, client, monkeypatch):
    asked = []
    monkeypatch.setattr(ahead, "ask_for_form", lambda request, made: asked.append((request.model, made.stages)))
    signed_in.get(reverse("generation:create"))
    signed_in.post(f"{reverse('generation:create-summary')}?mode=simple", SIMPLE)
    assert [model for model, _stages in asked] == ["tiny", "tiny"]
    client.logout()
    client.get(reverse("generation:create"))
    assert len(asked) == 2, "a stranger had models loaded"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a (red:9) heart rising", "A weight must be between 0 and 3"),
        ("a {red|blue heart rising", "} is missing"),
        ("a __shades__ heart rising", "This site has no list named shades."),
        ("a red heart rising <lora:ink:1>", "has no effect: a prompt loads no LoRA."),
        ("a red (heart rising", "has no partner"),
        ("0: a red heart rising | 9s: a blue one", "beyond the end of the clip, which is 3 s long"),
    ],
)
def test_the_summary_says_what_of_the_syntax_is_not_understood(signed_in, prompt, told):
    address = f"{reverse('generation:create-summary')}?mode=simple"
    assert told in unescape(signed_in.post(address, {**SIMPLE, "prompt": prompt}).content.decode())


@pytest.mark.parametrize(
    "prompt",
    [
        "a (red:1.3) heart [rising]",
        "a {red|blue} heart rising",
        "0: a red heart rising | 2s: a blue heart BREAK rising",
    ],
)
def test_the_words_of_a_prompt_are_looked_up_without_its_syntax(signed_in, prompt):
    address = f"{reverse('generation:create-summary')}?mode=simple"
    assert "notice--warning" not in signed_in.post(address, {**SIMPLE, "prompt": prompt}).content.decode()
    told = signed_in.post(address, {**SIMPLE, "prompt": prompt.replace("red", "pukrple")}).content.decode()
    assert "pukrple (purple?)" in told
