"""Templates in prompts: each clip stores what was drawn for it, and gives the template back."""

from pathlib import Path

import pytest
from django.urls import reverse

from generation.batches import services as batches
from generation.batches import variations
from generation.batches.parsing import read_rows
from generation.create import feed, prefill
from generation.domain.states import Status
from generation.jobs.cures import Cure, repair
from generation.models import BlockedTerm, Job
from generation.queue import services
from generation.queue.blocked_terms import BlockedPrompt
from generation.requests.request import InvalidRequest, RenderRequest
from tests.factories import JobFactory, VideoFactory, a_request
from tests.generation.create.pages import ADVANCED, SIMPLE, create

pytestmark = pytest.mark.django_db

TEMPLATE = "a {red|blue} heart"
DRAWN = {"a red heart", "a blue heart"}


def asked(**changes) -> RenderRequest:
    return RenderRequest.from_dict(a_request(**changes))


def prompts_of(jobs):
    return [job.render_request.prompt for job in jobs]


@pytest.fixture
def lists(settings, tmp_path) -> Path:
    settings.HOME = tmp_path
    (tmp_path / "wildcards").mkdir()
    return tmp_path / "wildcards"


# --- What is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 0, 5, 2**32 - 1])
def test_variations_draw_in_turn(signed_in, user, seed):
    data = {**ADVANCED, "prompt": TEMPLATE, "variations": "4", "seed": "" if seed is None else str(seed)}
    assert create(signed_in, "advanced", data).status_code == 302
    found = prompts_of(Job.objects.order_by("queued_at"))
    assert set(found) == DRAWN
    assert [found.count(text) for text in DRAWN] == [2, 2]


def test_the_job_stores_what_was_drawn_and_what_was_written(user):
    job = services.submit(user, asked(prompt=TEMPLATE, negative_prompt="{blur|fog}"))
    assert job.request["prompt"] in DRAWN
    assert job.request["negative_prompt"] in {"blur", "fog"}
    assert job.request["prompt_template"] == TEMPLATE
    assert job.request["negative_prompt_template"] == "{blur|fog}"
    plain = services.submit(user, asked(prompt="a {nice} heart"))
    assert plain.request["prompt"] == "a {nice} heart"
    assert not {name for name in plain.request if name.endswith("_template")}


def test_the_seed_of_a_job_draws_the_same_again(user):
    for _attempt in range(4):
        job = services.submit(user, asked(prompt="a {1|2|3|4|5|6|7} heart"))
        again = RenderRequest.from_dict(prefill.as_written(job.stored_request))
        assert services.submit(user, again).request["prompt"] == job.request["prompt"]


def test_other_requests_have_random_seeds_as_ever(user):
    jobs = services.submit_many(user, [asked()] * 3)
    assert len({job.seed for job in jobs}) == 3
    assert jobs[1].seed != jobs[0].seed + 1, "seeds in a row are for templates"


def test_a_batch_of_variations_is_named_by_its_template(user):
    jobs = variations.submit(user, [asked(prompt=TEMPLATE)] * 2)
    assert set(prompts_of(jobs)) == DRAWN
    assert jobs[0].batch.name == TEMPLATE


def test_rows_of_a_file_are_drawn_when_they_are_queued(user):
    rows = read_rows(f"{TEMPLATE}\na __none__ heart\n".encode())
    good, bad = batches.check(rows)
    assert "no list named none" in str(bad.errors["prompt"])
    batch, _is_new = batches.open_batch(user, "x", rows)
    assert len(list(batches.Feed(batch, [good]).advance())) == 1
    assert Job.objects.get().request["prompt"] in DRAWN


def test_the_operators_lists_are_drawn_from(signed_in, user, lists):
    (lists / "colours.txt").write_text("red\nblue\n")
    assert (
        create(signed_in, "simple", {**SIMPLE, "prompt": "a __colours__ heart", "variations": "2"}).status_code == 302
    )
    assert set(prompts_of(Job.objects.all())) == DRAWN
    response = create(signed_in, "simple", {**SIMPLE, "prompt": "a __shades__ heart"})
    assert "no list named shades" in response.content.decode()
    (lists / "colours.txt").unlink()
    with pytest.raises(InvalidRequest, match="no list named colours"):
        services.submit(user, asked(prompt="a __colours__ heart"))


def test_what_is_drawn_must_fit(user, lists):
    (lists / "long.txt").write_text("x" * 400 + "\n")
    (lists / "none.txt").write_text("{|}\n")
    with pytest.raises(InvalidRequest, match="At most 1000 characters"):
        services.submit(user, asked(prompt="__long__ " * 3))
    with pytest.raises(InvalidRequest, match="empty"):
        services.submit(user, asked(prompt="__none__"))


# --- Where the template comes back ------------------------------------------------------------------------------------


def test_create_from_this_gives_the_template_back(signed_in, user):
    job = services.submit(user, asked(prompt=TEMPLATE))
    response = signed_in.get(reverse("generation:create"), {"from": job.pk})
    assert response.context["form"]["prompt"].value() == TEMPLATE
    assert feed.recent_prompts(user) == [TEMPLATE]


def test_run_again_draws_again(signed_in, user):
    job = services.submit(user, asked(prompt="a {1|2|3|4|5|6|7} heart", seed=3))
    Job.objects.filter(pk=job.pk).update(status=Status.DONE)
    for _attempt in range(8):
        signed_in.post(reverse("generation:create-again", args=[job.pk]))
    found = prompts_of(Job.objects.exclude(pk=job.pk))
    assert len(found) == 8
    assert len(set(found)) > 1


def test_a_retry_renders_what_was_drawn(user):
    job = services.submit(user, asked(prompt=TEMPLATE))
    before = dict(job.request)
    services.cancel(job)
    job.refresh_from_db()
    assert services.retry(job)
    job.refresh_from_db()
    assert job.request == before


def test_a_repair_keeps_what_was_drawn_and_written(user):
    job = services.submit(user, asked(prompt=TEMPLATE, seed=7))
    made = repair(job, Cure(job.render_request, "smaller"))
    assert made.request["prompt"] == job.request["prompt"]
    assert made.request["prompt_template"] == TEMPLATE


@pytest.mark.parametrize("prompt", ["a {red|blue} heart", "a {red|blue heart", "[a|b] __colours__"])
def test_a_repair_draws_nothing_of_what_was_rendered_as_it_was(user, prompt):
    """A job of an earlier version, or text that a choice has put together."""
    job = JobFactory(user=user, status=Status.FAILED, request={**a_request(), "prompt": prompt})
    assert repair(job, Cure(job.render_request, "smaller")).request["prompt"] == prompt


def test_the_pages_of_job_and_video_show_the_template(signed_in, user):
    job = services.submit(user, asked(prompt=TEMPLATE))
    assert f"Drawn from: {TEMPLATE}" in signed_in.get(reverse("generation:job", args=[job.pk])).content.decode()
    video = VideoFactory(user=user, request={**a_request(prompt="a red heart"), "prompt_template": TEMPLATE})
    assert TEMPLATE in signed_in.get(reverse("gallery:video", args=[video.pk])).content.decode()


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_a_hidden_prompt_hides_its_template(user, field):
    request = {**a_request(negative_prompt="fog"), f"{field}_template": "{secret|hidden}"}
    video = VideoFactory(user=user, request=request)
    assert video.disclosed.request[f"{field}_template"]
    setattr(video, f"shows_{field}", False)
    assert "secret" not in str(video.disclosed)


# --- Blocked terms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        "a (toy:1.2) gun",
        "a toy (gun)",
        "a t(oy:1) gun",
        "a [t]oy gun",
        "a toy<lora:x:1> gun",
        r"a toy \(gun\)",
        "a toy BREAK gun",
        "a {toy|paper} gun",
        "a {paper|{small|toy}} gun",
        "a t{oy|ree} gun",
        "0: a heart | 1s: a toy gun",
        "{a|b|c|d|e|f|g|h} {a|b|c|d|e|f|g|h} {a|b|c|d|e|f|g|toy} gun",
        "a __thing__",
        "a toy (nice:0) gun",
        "a toy [[[[[[[[[very nice]]]]]]]]] gun",
        "a toy BREAK (nice:0.1) BREAK gun",
        "a t&#111;y gun",
        "a t&amp;#111;y gun",
        "a toy&nbsp;gun",
        "a t(&#x6f;:1)y gun",
        "a toy&#8203; gu&#x200b;n",
    ],
)
def test_syntax_hides_no_blocked_term(signed_in, user, lists, prompt):
    (lists / "thing.txt").write_text("heart\ntoy {gun|car}\n")
    BlockedTerm.objects.create(term="toy gun")
    response = create(signed_in, "simple", {**SIMPLE, "prompt": prompt})
    assert "does not render prompts that contain" in response.content.decode()
    (entry,) = batches.check(read_rows(prompt.encode(), format="text"))
    assert "prompt" in entry.errors
    assert not Job.objects.exists()


def test_a_rare_drawing_is_checked_when_it_is_queued(user):
    """Of a template with a million drawings, the forms look at some."""
    BlockedTerm.objects.create(term="toy gun")
    digits = "{" + "|".join("0123456789") + "}"
    request = asked(prompt=f"{digits * 5} {{a|b|c|d|e|f|g|h|i|toy}} gun")
    refused = 0
    for seed in range(300, 340):
        try:
            services.submit(user, RenderRequest.from_dict({**request.to_dict(), "seed": seed}), within_quotas=False)
        except BlockedPrompt:
            refused += 1
    assert refused
    assert not [prompt for prompt in prompts_of(Job.objects.all()) if "toy gun" in prompt]


def test_what_is_not_drawn_is_checked_since_it_is_shown(signed_in, user):
    """The template stands beside the clip, also where everybody sees it."""
    BlockedTerm.objects.create(term="gun")
    seeded = {**asked(prompt="a {heart|(g)un} here").to_dict(), "seed": 0}
    with pytest.raises(BlockedPrompt):
        services.submit(user, RenderRequest.from_dict(seeded))
    many = "{a|b|c|d|e|f|g|h|i|j}" * 4 + "{" + "k|" * 200 + "gun}"
    assert "does not render" in create(signed_in, "simple", {**SIMPLE, "prompt": many}).content.decode()
    assert not Job.objects.exists()


def test_a_prompt_that_was_drawn_before_is_checked_again_on_retry(user):
    job = JobFactory(user=user, status=Status.FAILED, request=a_request(prompt="a t(oy:1) gun"))
    BlockedTerm.objects.create(term="toy gun")
    with pytest.raises(BlockedPrompt):
        services.retry(job)
