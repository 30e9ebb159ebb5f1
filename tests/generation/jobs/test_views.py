"""The job pages: users see and change only their own jobs, with and without HTMX."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from gallery.models import Video
from generation.domain.states import ENDED, Stage, Status
from generation.jobs import archive
from generation.jobs.page_updates import View
from generation.jobs.views import JOBS_A_PAGE
from generation.models import Job
from generation.queue import claims, services, units
from tests.factories import BatchFactory, JobFactory, VideoFactory

pytestmark = pytest.mark.django_db

ACTIONS = {"cancel": Status.QUEUED, "retry": Status.FAILED, "remove": Status.DONE}
HTMX = {"HX-Request": "true"}


def ended(user, status=Status.DONE, **changes) -> Job:
    return JobFactory(user=user, status=status, ended_at=timezone.now(), **changes)


def act(client, name: str, job: Job, **options):
    return client.post(reverse(f"generation:{name}", args=[job.pk]), **options)


def listed(response) -> list[Job]:
    return [row["job"] for name in ("jobs", "recent") for row in response.context[name]]


def get_jobs(client, query: str = ""):
    return client.get(f"{reverse('generation:jobs')}?{query}")


@pytest.mark.parametrize("name", ["job", "preview"])
def test_another_users_job_is_not_found(signed_in, other_user, name):
    job = JobFactory(user=other_user, previewed_at=1)
    assert signed_in.get(reverse(f"generation:{name}", args=[job.pk])).status_code == 404


@pytest.mark.parametrize(("name", "status"), ACTIONS.items())
def test_actions_on_another_users_job_are_not_found(signed_in, other_user, name, status):
    job = JobFactory(user=other_user, status=status)
    assert act(signed_in, name, job).status_code == 404
    now = Job.objects.get()
    assert (now.status, now.version, now.removed_at) == (job.status, job.version, None)


def test_bulk_actions_spare_other_users_jobs(signed_in, other_user):
    waiting, done = JobFactory(user=other_user), ended(other_user)
    signed_in.post(reverse("generation:cancel-waiting"))
    signed_in.post(reverse("generation:remove-ended"), {"show": "all", "until": timezone.now().isoformat()})
    signed_in.post(reverse("generation:seen"))
    signed_in.post(reverse("generation:seen"), {"jobs": str(done.pk)})
    waiting.refresh_from_db()
    done.refresh_from_db()
    assert (waiting.status, waiting.version) == (Status.QUEUED, 1)
    assert (done.removed_at, done.seen_at, done.version) == (None, None, 1)


@pytest.mark.parametrize("name", ["jobs", "cancel-waiting", "remove-ended", "seen"])
def test_anonymous_visitors_are_asked_to_sign_in(client, name):
    method = client.get if name == "jobs" else client.post
    assert method(reverse(f"generation:{name}")).url.startswith(reverse("account_login"))


@pytest.mark.parametrize("name", ACTIONS)
def test_job_actions_require_sign_in_and_post(client, user, name):
    job = JobFactory(user=user, status=ACTIONS[name])
    assert act(client, name, job).url.startswith(reverse("account_login"))
    client.force_login(user)
    assert client.get(reverse(f"generation:{name}", args=[job.pk])).status_code == 405


@pytest.mark.parametrize("name", ["cancel-waiting", "remove-ended", "seen"])
def test_bulk_actions_require_post(signed_in, name):
    assert signed_in.get(reverse(f"generation:{name}")).status_code == 405


def test_a_preview_that_is_gone_is_a_blank_picture_not_an_error(signed_in, user):
    response = signed_in.get(reverse("generation:preview", args=[JobFactory(user=user).pk]))
    assert response.url.startswith("/static/images/")


def test_cancelling_and_retrying_by_plain_forms_comes_back_to_the_job(signed_in, user):
    job = JobFactory(user=user)
    for name, status in (("cancel", Status.CANCELLED), ("retry", Status.QUEUED)):
        assert act(signed_in, name, job).url == reverse("generation:job", args=[job.pk])
        assert Job.objects.get().status == status


def test_htmx_gets_the_job_and_the_panel_alone(signed_in, user):
    job = JobFactory(user=user)
    response = act(signed_in, "cancel", job, headers={**HTMX, "HX-Target": f"job-{job.pk}"})
    html = response.content.decode().lstrip()
    assert html.startswith(f'<article id="job-{job.pk}"')
    assert 'data-status="cancelled"' in html
    assert 'id="active-jobs"' in html
    assert "<html" not in html


def test_cancelling_in_the_panel_answers_with_the_panel(signed_in, user):
    job, other = JobFactory(user=user), JobFactory(user=user)
    html = act(signed_in, "cancel", job, headers=HTMX).content.decode()
    assert str(job.pk) not in html
    assert f'id="active-{other.pk}"' in html


@pytest.mark.parametrize(("name", "status"), [("cancel", Status.DONE), ("retry", Status.RUNNING)])
def test_an_action_that_is_no_longer_possible_is_reported_beside_the_job(signed_in, user, name, status):
    job = JobFactory(user=user, status=status)
    html = act(signed_in, name, job, headers={**HTMX, "HX-Target": f"job-{job.pk}"}).content.decode()
    assert '<p class="notice small">' in html
    assert Job.objects.get().status == status
    page = signed_in.post(reverse(f"generation:{name}", args=[job.pk]), follow=True).content.decode()
    assert "notice--info" in page


def test_text_that_the_model_ignores_is_reported_on_the_job_page(signed_in, user):
    job = JobFactory(user=user, warnings=[{"id": "prompt-cut", "tokens": 90, "limit": 77}])
    page = signed_in.get(reverse("generation:job", args=[job.pk])).content.decode()
    assert "90 tokens" in page
    assert "77" in page


# --- The list -------------------------------------------------------------------------------------------------------


def test_the_filters_count_and_show_a_persons_own_listed_jobs(signed_in, user, other_user):
    made = {
        "active": [JobFactory(user=user), JobFactory(user=user, status=Status.RUNNING)],
        "finished": [ended(user)],
        "failed": [ended(user, Status.FAILED), ended(user, Status.FAILED), ended(user, Status.FAILED)],
        "cancelled": [ended(user, Status.CANCELLED)],
    }
    ended(user, removed_at=timezone.now())
    ended(other_user)
    for show, jobs in made.items():
        response = get_jobs(signed_in, f"show={show}")
        assert {job.pk for job in listed(response)} == {job.pk for job in jobs}
        assert dict(response.context["filters"]) == {"all": 7, **{name: len(jobs) for name, jobs in made.items()}}
    assert len(listed(get_jobs(signed_in))) == 7
    assert len(listed(get_jobs(signed_in, "show=nonsense"))) == 7


def test_an_empty_filter_says_so_and_offers_the_way_back(signed_in, user):
    JobFactory(user=user)
    page = get_jobs(signed_in, "show=failed").content.decode()
    assert "No clips failed." in page
    assert f'href="{reverse("generation:jobs")}"' in page


def test_paging_skips_and_repeats_nothing_while_jobs_come_and_go(signed_in, user):
    made = [ended(user) for _ in range(2 * JOBS_A_PAGE + 3)]
    newest_first = [job.pk for job in reversed(made)]
    first = get_jobs(signed_in)
    assert [job.pk for job in listed(first)] == newest_first[:JOBS_A_PAGE]
    ended(user)
    Job.objects.filter(pk=listed(first)[-1].pk).delete()
    second = get_jobs(signed_in, first.context["page"].older)
    assert [job.pk for job in listed(second)] == newest_first[JOBS_A_PAGE : 2 * JOBS_A_PAGE]
    third = get_jobs(signed_in, second.context["page"].older)
    assert [job.pk for job in listed(third)] == newest_first[2 * JOBS_A_PAGE :]
    assert not third.context["page"].older
    assert listed(get_jobs(signed_in, third.context["page"].newer)) == listed(second)


def test_the_links_between_pages_keep_the_filter(signed_in, user):
    for _ in range(JOBS_A_PAGE + 1):
        ended(user, Status.FAILED)
    page = get_jobs(signed_in, "show=failed")
    assert f'href="?show=failed&amp;{page.context["page"].older}"' in page.content.decode()


def test_the_list_of_jobs_takes_as_many_queries_for_twenty_as_for_one(signed_in, user, django_assert_max_num_queries):
    for _ in range(20):
        services.transition(JobFactory(user=user), Status.FAILED)
        JobFactory(user=user)
    with django_assert_max_num_queries(23):
        assert get_jobs(signed_in).status_code == 200


# --- Removing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(ENDED))
def test_removing_takes_an_ended_job_off_the_list_and_keeps_everything_else(signed_in, user, status):
    job = ended(user, status, error_id="out-of-memory", traceback="for the operator")
    video = VideoFactory(user=user, job=job)
    assert act(signed_in, "remove", job).url == reverse("generation:jobs")
    page = get_jobs(signed_in)
    assert listed(page) == []
    assert f"active-{job.pk}" not in page.content.decode()
    job.refresh_from_db()
    assert (job.status, job.error_id, job.traceback) == (status, "out-of-memory", "for the operator")
    assert Video.objects.get().pk == video.pk
    assert signed_in.get(reverse("gallery:video", args=[video.pk])).status_code == 200
    assert signed_in.get(reverse("generation:job", args=[job.pk])).status_code == 200


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_queued_and_rendering_jobs_cannot_be_removed(signed_in, user, status):
    job = JobFactory(user=user, status=status)
    response = signed_in.post(reverse("generation:remove", args=[job.pk]), follow=True)
    assert "Cancel it first" in response.content.decode()
    assert Job.objects.get().removed_at is None


def test_removing_on_the_list_answers_with_what_is_left_and_on_the_jobs_own_page_goes_back_to_the_list(signed_in, user):
    first, second = ended(user), ended(user)
    on_list = {**HTMX, "HX-Current-URL": "http://testserver/jobs/", "HX-Target": f"job-{first.pk}"}
    html = act(signed_in, "remove", first, headers=on_list).content.decode()
    assert f"job-{first.pk}" not in html
    assert '<span id="count-finished" class="count" data-merge>1</span>' in html
    own_page = {**HTMX, "HX-Current-URL": f"http://testserver{reverse('generation:job', args=[second.pk])}"}
    assert act(signed_in, "remove", second, headers=own_page)["HX-Redirect"] == reverse("generation:jobs")


def test_a_removed_job_comes_back_when_it_is_rendered_again(signed_in, user):
    job = ended(user, Status.FAILED)
    act(signed_in, "remove", job)
    act(signed_in, "retry", job)
    assert [found.pk for found in listed(get_jobs(signed_in, "show=active"))] == [job.pk]


@pytest.mark.parametrize(
    ("show", "left"), [("all", 1), ("finished", 3), ("failed", 3), ("cancelled", 3), ("active", 4)]
)
def test_removing_all_of_a_filter_leaves_the_others(signed_in, user, show, left):
    JobFactory(user=user)
    for status in ENDED:
        ended(user, status)
    until = timezone.now().isoformat()
    response = signed_in.post(reverse("generation:remove-ended"), {"show": show, "until": until})
    assert response.url == reverse("generation:jobs") + ("" if show == "all" else f"?show={show}")
    assert Job.objects.filter(removed_at=None).count() == left
    assert Job.objects.count() == 4


def test_jobs_that_ended_after_the_page_was_rendered_are_not_removed(signed_in, user):
    ended(user)
    until = timezone.now()
    late = JobFactory(user=user, status=Status.FAILED, ended_at=until + timedelta(seconds=1))
    signed_in.post(reverse("generation:remove-ended"), {"show": "all", "until": until.isoformat()})
    assert Job.objects.get(removed_at=None).pk == late.pk


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("remove-ended", {}),
        ("remove-ended", {"show": "nonsense", "until": "2026-01-01T00:00:00+00:00"}),
        ("remove-ended", {"show": "all", "until": "soon"}),
        ("remove-ended", {"show": "all", "until": "0001-01-01T00:00:00+14:00"}),
        ("remove-ended", {"show": "all", "until": "9999-12-31T23:59:59-14:00"}),
        ("seen", {"jobs": "nonsense"}),
        ("seen", {"jobs": "x" * 100_000}),
    ],
)
def test_forged_input_is_refused_and_changes_nothing(signed_in, user, name, data):
    job = ended(user)
    assert signed_in.post(reverse(f"generation:{name}"), data).status_code == 400
    job.refresh_from_db()
    assert (job.removed_at, job.seen_at) == (None, None)


def test_the_lists_own_forms_are_accepted(signed_in, user):
    """Views accept the forms exactly as the page renders them."""
    ended(user)
    context = get_jobs(signed_in).context
    signed_in.post(reverse("generation:remove-ended"), {"show": context["show"], "until": context["now"].isoformat()})
    assert listed(get_jobs(signed_in)) == []


# --- Cancelling -----------------------------------------------------------------------------------------------------


def test_cancelling_all_waiting_leaves_what_is_being_rendered_and_what_has_ended(signed_in, user):
    waiting = [JobFactory(user=user) for _ in range(3)]
    running, done = JobFactory(user=user, status=Status.RUNNING), ended(user)
    response = signed_in.post(reverse("generation:cancel-waiting"), follow=True)
    assert "3 waiting clips were cancelled." in response.content.decode()
    states = dict(Job.objects.values_list("pk", "status"))
    assert {states[job.pk] for job in waiting} == {Status.CANCELLED}
    assert (states[running.pk], states[done.pk]) == (Status.RUNNING, Status.DONE)
    again = signed_in.post(reverse("generation:cancel-waiting"), follow=True)
    assert "Nothing was waiting." in again.content.decode()


@pytest.mark.parametrize("stage", [None, *Stage])
def test_cancelling_at_any_stage_frees_that_job_and_leaves_the_others_alone(signed_in, user, other_user, stage):
    job, mine, theirs = JobFactory(user=user), JobFactory(user=user), JobFactory(user=other_user)
    bystanders = [claims.claim(other.pk, 1, Stage.GENERATE, 0, "worker") for other in (mine, theirs)]
    held = []
    for unit, chunk in job.render_plan.units if stage else []:
        held.append(claims.claim(job.pk, 1, unit, chunk, "worker"))
        if unit is stage:
            break
        claims.finish(held[-1], {"key": "frames"})
    act(signed_in, "cancel", job)
    assert Job.objects.get(pk=job.pk).status == Status.CANCELLED
    assert not any(claims.is_held(claim) for claim in held)
    assert not job.stage_runs.filter(status__in=["running", "done"]).exists()
    assert all(claims.is_held(claim) for claim in bystanders)
    assert set(Job.objects.exclude(pk=job.pk).values_list("status", flat=True)) == {Status.RUNNING}


def test_retrying_after_a_failure_continues_with_what_is_stored_and_is_new_again_at_its_end(signed_in, user):
    job = JobFactory(user=user)
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    claims.fail(claims.claim(job.pk, 1, Stage.GENERATE, 0, "worker"), "out-of-memory", {})
    page = signed_in.get(reverse("generation:job", args=[job.pk])).content.decode()
    assert "ran out of memory" in page
    assert Job.objects.get().seen_at is not None
    act(signed_in, "retry", job)
    job.refresh_from_db()
    assert (job.status, job.run, job.error_id, job.seen_at) == (Status.QUEUED, 2, "", None)
    assert units.done(job) == {(Stage.PREPROCESS, 0)}
    assert claims.claim(job.pk, 2, Stage.GENERATE, 0, "worker") is not None


# --- New until seen -------------------------------------------------------------------------------------------------


def badge(response) -> int:
    return response.context["jobs_panel"].counts.new


@pytest.mark.parametrize("status", [Status.DONE, Status.FAILED])
def test_an_end_is_new_until_the_job_is_opened(signed_in, user, status):
    job, other = ended(user, status), ended(user, status)
    assert badge(get_jobs(signed_in)) == 2
    assert badge(signed_in.get(reverse("generation:job", args=[job.pk]))) == 1
    job.refresh_from_db()
    other.refresh_from_db()
    assert (job.is_new, other.is_new) == (False, True)


def test_a_finished_clip_is_new_until_its_video_is_opened(signed_in, user):
    job = ended(user)
    video = VideoFactory(user=user, job=job)
    signed_in.get(reverse("gallery:video", args=[video.pk]))
    job.refresh_from_db()
    assert not job.is_new


def test_cancelled_jobs_are_not_new(signed_in, user):
    job = JobFactory(user=user)
    act(signed_in, "cancel", job)
    assert badge(get_jobs(signed_in)) == 0


def test_the_panel_says_which_jobs_it_showed_and_the_list_marks_all(signed_in, user):
    jobs = [ended(user) for _ in range(3)]
    response = signed_in.post(reverse("generation:seen"), {"jobs": f"{jobs[0].pk},{jobs[1].pk}"}, headers=HTMX)
    assert response.status_code == 204
    assert badge(get_jobs(signed_in)) == 1
    assert signed_in.post(reverse("generation:seen")).url == reverse("generation:jobs")
    assert badge(get_jobs(signed_in)) == 0


def test_opening_a_job_that_still_renders_does_not_spoil_the_news_of_its_end(signed_in, user):
    job = JobFactory(user=user, status=Status.RUNNING)
    signed_in.get(reverse("generation:job", args=[job.pk]))
    services.transition(job, Status.DONE, ended_at=timezone.now())
    assert badge(get_jobs(signed_in)) == 1


def test_seeing_it_twice_changes_nothing_more(user):
    job = ended(user)
    assert archive.mark_seen(user, [job.pk]) == 1
    first = Job.objects.get()
    assert archive.mark_seen(user, [job.pk]) == 0
    assert (Job.objects.get().seen_at, Job.objects.get().version) == (first.seen_at, first.version)


def test_the_list_links_to_the_users_batches(signed_in, user, other_user):
    BatchFactory(user=other_user)
    address = f'href="{reverse("generation:batches")}"'
    assert address not in signed_in.get(reverse("generation:jobs")).content.decode()
    BatchFactory(user=user)
    assert address in signed_in.get(reverse("generation:jobs")).content.decode()


def test_what_a_page_without_a_socket_asks_for_is_what_the_socket_would_send(signed_in, user):
    job = JobFactory(user=user)
    query = f"jobs={job.pk}&language=pl"
    response = signed_in.get(f"{reverse('generation:updates')}?{query}")
    assert response.text == View(user, query.encode()).present()
    assert "no-store" in response["Cache-Control"]
