"""Below the create form: cards of the newest clips, clips queued again, and the prompts used last."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.create import feed
from generation.domain.states import Status
from generation.models import Job
from tests.factories import JobFactory, VideoFactory, a_request
from tests.generation.create.pages import ADVANCED, SIMPLE, create

pytestmark = pytest.mark.django_db

CREATE = reverse("generation:create")
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{CREATE}"}


def send(client, mode="simple", data=SIMPLE, **headers):
    """Submit the form as the page's script does."""
    return client.post(f"{CREATE}?mode={mode}", data, headers={**HTMX, **headers})


def run_again(client, job, **headers):
    return client.post(reverse("generation:create-again", args=[job.pk]), headers=headers)


def finished(user):
    """Return the video of a job that has ended."""
    return VideoFactory(user=user, job=JobFactory(user=user, status=Status.DONE, ended_at=timezone.now()))


def cards_in(response) -> list[str]:
    return [row["job"].pk for row in response.context["cards"]]


def test_the_script_gets_the_cards_of_what_was_queued_and_stays(signed_in, user):
    response = send(signed_in, data={**SIMPLE, "variations": "4"})
    assert response.status_code == 200
    queued = list(Job.objects.filter(user=user).order_by("-created_at").values_list("pk", flat=True))
    assert cards_in(response) == queued
    assert len(queued) == 4
    for job_id in queued:
        assert f'id="job-{job_id}"' in response.text
    assert "4 clips are queued." in response.text
    assert response["HX-Trigger"] == '{"queued": {}}'
    assert "<html" not in response.text


def test_the_script_gets_the_form_alone_with_its_complaints(signed_in):
    response = send(signed_in, data={**SIMPLE, "prompt": ""})
    assert (response["HX-Retarget"], response["HX-Reselect"]) == ("#create-form", "#create-form > *")
    assert response.context["form"].errors.keys() == {"prompt"}
    assert not Job.objects.exists()


def test_the_script_is_told_in_a_sentence_that_it_is_too_fast(signed_in, settings):
    settings.ACCOUNT_RATE_LIMITS = {"submit": "1/m/user"}
    send(signed_in)
    response = send(signed_in)
    assert response.status_code == 429
    assert response["Content-Type"].startswith("text/plain")
    assert Job.objects.count() == 1


def test_variations_can_be_chosen_in_simple_mode(signed_in):
    page = signed_in.get(CREATE, {"mode": "simple"})
    offered = [radio.data["value"] for radio in page.context["form"]["variations"]]
    assert offered == [1, 2, 4, 8]
    assert page.context["form"]["variations"].value() == 1
    create(signed_in, "simple", {**SIMPLE, "variations": "8"})
    assert Job.objects.count() == 8


def test_a_number_of_variations_that_only_advanced_mode_offers_is_kept_in_simple_mode(signed_in):
    address = f"{reverse('generation:create-edit')}?mode=advanced&to=simple"
    page = signed_in.post(address, {**ADVANCED, "variations": "3"})
    field = page.context["form"]["variations"]
    assert [radio.data["value"] for radio in field] == [1, 2, 3, 4, 8]
    assert field.value() == "3"


@pytest.mark.parametrize("count", ["x", "-1", "²", "9" * 5000])
def test_a_number_that_is_none_breaks_nothing_in_simple_mode(signed_in, count):
    assert create(signed_in, "simple", {**SIMPLE, "variations": count}).context["form"].errors.keys() == {"variations"}


def test_the_page_starts_with_what_is_unfinished_or_of_the_last_hour_newest_first(signed_in, user, other_user):
    long_ago = timezone.now() - 2 * feed.FRESH
    JobFactory(user=user, status=Status.DONE, queued_at=long_ago, ended_at=long_ago)
    waiting = JobFactory(user=user, queued_at=long_ago)
    done = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    JobFactory(user=user, status=Status.DONE, ended_at=timezone.now(), removed_at=timezone.now())
    JobFactory(user=other_user)
    assert cards_in(signed_in.get(CREATE)) == [done.pk, waiting.pk]


def test_the_page_starts_with_few_cards_and_few_queries(signed_in, user, django_assert_num_queries):
    JobFactory.create_batch(feed.MAX_CARDS + 2, user=user)
    feed.newest(user)  # caches this machine's rates
    with django_assert_num_queries(3):  # jobs, stage runs, the queue
        assert len(feed.newest(user)) == feed.MAX_CARDS
    with django_assert_num_queries(1):
        feed.recent_prompts(user)


def test_an_empty_feed_has_no_cards_and_no_prompts(signed_in):
    page = signed_in.get(CREATE)
    assert page.context["cards"] == page.context["recent_prompts"] == []
    assert '<details class="more recent" id="recent-prompts" hidden>' in page.text


def test_each_recent_prompt_is_there_once_last_used_first_and_nobody_elses(user, other_user):
    for minutes, prompt in enumerate(["a star", "a heart", "a star", "a cross"]):
        JobFactory(user=user, request={**a_request(), "prompt": prompt})
        Job.objects.filter(request__prompt=prompt).update(created_at=timezone.now() + timedelta(minutes=minutes))
    JobFactory(user=user, request={**a_request(), "prompt": "removed"}, removed_at=timezone.now())
    JobFactory(user=other_user, request={**a_request(), "prompt": "theirs"})
    assert feed.recent_prompts(user) == ["a cross", "a star", "a heart"]


def test_few_prompts_are_offered(user):
    for n in range(feed.MAX_PROMPTS + 3):
        JobFactory(user=user, request={**a_request(), "prompt": f"prompt {n}"})
    assert len(feed.recent_prompts(user)) == feed.MAX_PROMPTS


def test_running_again_queues_the_same_request_with_a_new_seed(signed_in, user):
    job = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now(), request={**a_request(), "seed": 7}, seed=7)
    response = run_again(signed_in, job)
    again = Job.objects.exclude(pk=job.pk).get()
    assert response.url == reverse("generation:job", args=[again.pk])
    assert again.request == {**job.request, "seed": None}
    assert (again.status, again.user) == (Status.QUEUED, user)


def test_running_again_on_the_create_page_adds_the_card_to_its_feed(signed_in, user):
    job = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    response = run_again(signed_in, job, **HTMX)
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#feed-jobs", "afterbegin")
    assert cards_in(response) == [Job.objects.exclude(pk=job.pk).get().pk]


def test_running_again_elsewhere_leads_to_the_queue(signed_in, user):
    job = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    elsewhere = {**HTMX, "HX-Current-URL": "http://testserver/jobs/?show=finished"}
    assert run_again(signed_in, job, **elsewhere)["HX-Redirect"] == reverse("generation:jobs")
    assert Job.objects.count() == 2


def test_a_request_that_no_longer_fits_is_refused_on_the_page_of_its_job(signed_in, user, settings):
    job = JobFactory(user=user, status=Status.DONE, ended_at=timezone.now())
    settings.MAX_SIDE = 64
    address = reverse("generation:job", args=[job.pk])
    assert run_again(signed_in, job).url == run_again(signed_in, job, **HTMX)["HX-Redirect"] == address
    assert "A side must be" in signed_in.get(address).text
    assert Job.objects.count() == 1


def test_a_finished_clip_can_be_deleted_and_restored_on_its_card(signed_in, user):
    video = finished(user)
    page = reverse("generation:job", args=[video.job_id])
    delete, restore = (reverse(f"gallery:{name}", args=[video.pk]) for name in ("delete", "restore"))
    assert f'hx-post="{delete}"' in signed_in.get(page).text
    assert signed_in.post(delete, headers=HTMX).status_code == 204
    shown = signed_in.get(page).text
    assert f'hx-post="{restore}"' in shown
    assert f'hx-post="{delete}"' not in shown
    assert signed_in.post(restore, headers=HTMX).status_code == 204
    assert f'hx-post="{delete}"' in signed_in.get(page).text


def test_a_card_deletes_nothing_that_cannot_be_restored(signed_in, user, settings):
    settings.UNDO_MINUTES = 0
    video = finished(user)
    assert (
        reverse("gallery:delete", args=[video.pk])
        not in signed_in.get(reverse("generation:job", args=[video.job_id])).text
    )


def test_the_message_of_a_queued_clip_names_it_so_that_it_can_leave(signed_in):
    response = create(signed_in, "simple", {**SIMPLE, "variations": "2"})
    named = ",".join(str(pk) for pk in Job.objects.order_by("created_at").values_list("pk", flat=True))
    assert f'data-until="{named}"' in signed_in.get(response.url).text
