"""A failure that names a cure offers it: computed, one click, once, and linked to the clip that failed."""

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.domain.errors import ERRORS
from generation.domain.states import RunStatus, Stage, Status
from generation.jobs import cures
from generation.models import Job, StageRun
from generation.requests import available
from generation.requests.smaller import needs
from tests.factories import JobFactory, a_request
from tests.other_families import CATALOGUE

pytestmark = pytest.mark.django_db

LARGE = {"size": "512x512", "seconds": 5}


@pytest.fixture
def failed(user):
    """Return a function that makes a failed job."""

    def make(error="out-of-memory", context=None, stage=Stage.GENERATE, **options):
        now = timezone.now()
        options = {"request": a_request(**LARGE), **options}
        job = JobFactory(
            user=user, status=Status.FAILED, ended_at=now, error_id=error, error_context=context or {}, **options
        )
        facts = {"worker": "w", "started_at": now, "heartbeat_at": now, "ended_at": now, "status": RunStatus.FAILED}
        StageRun.objects.create(job=job, run=1, stage=stage, **facts)
        return job

    return make


def repair(client, job, **options):
    return client.post(reverse("generation:repair", args=[job.pk]), **options)


def page(client, job):
    return client.get(reverse("generation:job", args=[job.pk])).text


# What each error's text promises. A new error has to be entered here.
CURED = {
    **dict.fromkeys(["out-of-memory", "machine-out-of-memory", "worker-lost", "stage-hung"], "smaller"),
    **dict.fromkeys(["model-missing", "model-corrupt", "model-unexpected", "model-unsafe"], "another model"),
    "request-invalid": "another model",
    **dict.fromkeys(["model-is-page", "model-is-archive", "model-is-pointer"], "another model"),
    **dict.fromkeys(["checkpoint-unknown", "checkpoint-without-vae", "checkpoint-mismatch"], "another model"),
    **dict.fromkeys(["checkpoint-architecture", "checkpoint-type", "checkpoint-split"], "another model"),
    # Their texts say to choose another LoRA or embedding, which only the person can.
    **dict.fromkeys(["lora-for-another-model", "lora-mismatch", "lora-layout", "lora-empty"], "again"),
    **dict.fromkeys(["lora-unsupported", "embedding-mismatch"], "again"),
    **dict.fromkeys(["frames-missing", "frames-corrupt", "storage-unavailable", "internal"], "again"),
    **dict.fromkeys(
        ["card-failed", "card-exclusive", "card-unsupported", "driver-too-old", "model-needs-tensorflow"], "again"
    ),
    "model-needs-package": "again",
}


def test_every_error_has_been_thought_of():
    assert CURED.keys() == ERRORS.keys()
    assert {id for id, cure in CURED.items() if cure == "smaller"} == cures.SMALLER
    assert {id for id, cure in CURED.items() if cure == "another model"} == cures.ANOTHER_MODEL


@pytest.mark.parametrize("error", sorted(cures.SMALLER))
def test_too_large_a_clip_is_offered_smaller(failed, error):
    job = failed(error, {"stage": "generate"})
    cure = cures.cure_of(job)
    made = available.plan_for(cure.request)
    assert needs(made)[Stage.GENERATE] < needs(job.render_plan)[Stage.GENERATE]
    assert cure.label == f"Render at {min(cure.request.width, cure.request.height)} px, {cure.request.seconds} s"
    assert cure.request.seed == job.seed


def test_the_stage_that_failed_decides_what_has_to_be_smaller(failed):
    for stage in (Stage.GENERATE, Stage.UPSCALE):
        job = failed(stage=stage)
        after = needs(available.plan_for(cures.cure_of(job).request))
        assert after[stage] < needs(job.render_plan)[stage]


@pytest.mark.parametrize("error", [id for id, cure in CURED.items() if cure == "again"])
def test_what_only_has_to_be_tried_again_offers_that(signed_in, failed, error):
    job = failed(error)
    text = page(signed_in, job)
    assert cures.cure_of(job) is None
    assert "job__main" in text
    assert "Render at" not in text


def test_a_missing_model_is_replaced_by_one_that_is_here(failed):
    job = failed("model-missing", {"model": "Absent"}, request={**a_request(), "model": "sd15"}, plan=None)
    cure = cures.cure_of(job)
    assert cure.request.model == "tiny"
    assert cure.label.startswith("Render with ")


def test_a_damaged_model_is_not_offered_in_its_own_place(failed):
    label = available.catalogue().models["tiny"].label
    assert cures.cure_of(failed("model-corrupt", {"model": label})) is None


def test_a_variant_without_its_lora_cures_nothing(failed, settings, tmp_path):
    changed = CATALOGUE.replace('weights = "config.json"', 'weights = "absent.safetensors"', 1)
    changed = changed.replace("[models.waves-fast]", "[models.waves-fast]\ndefault = true", 1)
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.toml")
    (tmp_path / "catalogue.toml").write_text(changed)
    job = failed("model-missing", {"model": "Absent"}, request={**a_request(), "model": "sd15"}, plan=None)
    assert cures.cure_of(job).request.model == "tiny"


def test_the_cure_is_the_main_button_and_trying_again_comes_second(signed_in, failed):
    text = page(signed_in, failed())
    assert text.index("Render at") < text.index("Try again")
    assert text.count("job__main") == 1
    assert "Render at" in signed_in.get(reverse("generation:jobs")).text


def test_one_click_queues_it_and_leads_there(signed_in, user, failed):
    job = failed()
    response = repair(signed_in, job)
    made = Job.objects.get(repair_of=job)
    assert response.url == reverse("generation:job", args=[made.pk])
    assert made.status == Status.QUEUED
    assert made.request["width"] < job.request["width"] or made.request["seconds"] < job.request["seconds"]
    assert made.seed == job.seed
    assert reverse("generation:job", args=[job.pk]) in page(signed_in, made)
    assert "Rendered instead" in page(signed_in, job)
    assert Job.objects.get(pk=job.pk).status == Status.FAILED, "it can still be tried again"


def test_a_second_click_leads_to_the_same_clip(signed_in, failed):
    job = failed()
    assert repair(signed_in, job).url == repair(signed_in, job).url
    assert Job.objects.filter(repair_of=job).count() == 1


def test_a_repair_that_failed_can_be_made_again(signed_in, failed):
    job = failed()
    repair(signed_in, job)
    Job.objects.filter(repair_of=job).update(status=Status.CANCELLED)
    repair(signed_in, job)
    assert Job.objects.filter(repair_of=job).count() == 2


def test_with_htmx_it_leads_there_too(signed_in, failed):
    job = failed()
    response = repair(signed_in, job, headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == reverse("generation:job", args=[Job.objects.get(repair_of=job).pk])


def test_what_has_no_cure_is_not_repaired(signed_in, user, failed):
    done = JobFactory(user=user, status=Status.DONE)
    for job in (done, failed("internal")):
        assert "can be repaired" in repair(signed_in, job, follow=True).text
    assert not Job.objects.filter(repair_of__isnull=False).exists()


def test_no_room_is_said(signed_in, failed, settings):
    settings.MAX_ACTIVE_JOBS = 0
    job = failed()
    assert "of your clips can wait or render at a time" in repair(signed_in, job, follow=True).text


def test_the_list_reads_no_more_for_many_failures(signed_in, failed, django_assert_max_num_queries):
    failed()
    address = reverse("generation:jobs")
    signed_in.get(address)
    with django_assert_max_num_queries(30) as before:
        signed_in.get(address)
    for _ in range(8):
        failed()
    with django_assert_max_num_queries(len(before)):
        signed_in.get(address)


def test_a_clip_that_was_made_smaller_than_its_model_makes_it_now_is_offered_less_than_it_had(
    failed, settings, tmp_path
):
    path = tmp_path / "before.toml"
    path.write_text("[models.wan2-1-t2v-1-3b]\nnative_sizes = {}\n")
    settings.CATALOGUE_FILE = str(path)
    job = failed(request=a_request(model="wan2-1-t2v-1-3b", size="1920x1080", seconds=5, fps=16))
    settings.CATALOGUE_FILE = ""
    before, cure = needs(job.render_plan), cures.cure_of(job)
    after = needs(available.plan_for(cure.request))
    assert after[Stage.GENERATE] < before[Stage.GENERATE]
    assert all(after[stage] <= before[stage] for stage in after)
    Job.objects.filter(pk=job.pk).update(plan={"version": 99})
    job.refresh_from_db()
    assert cures.cure_of(job) is not None, "by what its plan would be now"
