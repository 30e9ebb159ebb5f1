"""The create pages and quotas: what is left is shown before it is used up, a refusal is where it can be cured."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from generation.domain.states import Status
from generation.models import Job, Preset
from generation.queue import services
from generation.quotas.allowance import MEGABYTE
from tests.factories import JobFactory, LedgerEntryFactory, QuotaFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

CREATE, SUMMARY, MANY = (reverse(f"generation:{name}") for name in ("create", "create-summary", "create-many"))
ASKED = {"prompt": "a red heart", "aspect": "1:1", "seconds": "2", "quality": "draft", "variations": "1"}
ADVANCED = {**ASKED, "short_side": "128", "fps": "8", "format": "mp4", "model": "tiny"}


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_without_a_quota_the_form_says_nothing_of_one(signed_in, other_user):
    QuotaFactory(user=other_user, seconds_a_day=5, waiting=5, max_seconds=1)
    for page in (signed_in.get(CREATE), signed_in.get(f"{CREATE}?mode=advanced"), signed_in.get(MANY)):
        assert "allowance" not in page.content.decode()
        assert "our account" not in page.content.decode()
        assert " disabled" not in page.content.decode()


def test_the_form_says_what_is_left(signed_in, user):
    QuotaFactory(seconds_a_day=60, waiting=5, storage_mb=100)
    LedgerEntryFactory(user=user, seconds=14)
    JobFactory(user=user)
    VideoFactory(user=user, size=40 * MEGABYTE)
    for page in (CREATE, MANY):
        text = text_of(signed_in.get(page))
        assert "46 s of 60 s of video left" in text
        assert "room for 4 more clips in your queue" in text
        assert "60.0 MB of storage left" in text
        assert reverse("generation:allowance") in signed_in.get(page).content.decode()


def test_the_summary_says_before_sending_that_it_is_too_much_and_until_when(signed_in, user):
    QuotaFactory(seconds_a_day=10)
    entry = LedgerEntryFactory(user=user, seconds=6, counted_at=timezone.now() - timedelta(hours=3))
    assert "This needs" not in text_of(signed_in.post(SUMMARY, {**ASKED, "seconds": "4"}))
    told = signed_in.post(SUMMARY, {**ASKED, "seconds": "3", "variations": "2"})
    assert "This needs 6 s of video, and you have 4 s left until" in text_of(told)
    free = (entry.counted_at + timedelta(days=1)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    assert f'datetime="{free.isoformat()}"' in told.content.decode()


@pytest.mark.parametrize("htmx", [{}, {"HTTP_HX_REQUEST": "true"}])
def test_a_refusal_is_at_the_length_and_nothing_typed_is_lost(signed_in, user, htmx):
    QuotaFactory(seconds_a_day=10)
    LedgerEntryFactory(user=user, seconds=9)
    page = signed_in.post(CREATE, ASKED, **htmx)
    assert "you have 1 s left until" in str(page.context["form"].errors["seconds"])
    assert page.context["form"]["prompt"].value() == "a red heart"
    assert not Job.objects.exists()


def test_a_refusal_that_no_field_cures_is_above_the_form(signed_in, user):
    QuotaFactory(waiting=1)
    JobFactory(user=user)
    page = signed_in.post(CREATE, ASKED)
    assert "At most 1 of your clips can wait or render" in str(page.context["form"].non_field_errors())


def test_lengths_beyond_the_quota_are_shown_but_cannot_be_chosen(signed_in, settings):
    settings.MAX_SECONDS = 4
    QuotaFactory(max_seconds=1)
    for page in (CREATE, f"{CREATE}?mode=advanced", MANY):
        html = signed_in.get(page).content.decode()
        options = re.findall(r'<option value="(\d)"([^>]*)>([^<]*)</option>', html.split('name="seconds"')[1])[:4]
        assert [value for value, attributes, _label in options if "disabled" in attributes] == ["2", "3", "4"]
        assert options[3][2] == "4 s (more than your account allows)"
        assert 'value="1" selected' in html.split('name="seconds"')[1]
        assert "Your account: up to 1 s." in html


def test_a_length_beyond_the_quota_is_refused_at_the_length(signed_in):
    QuotaFactory(max_seconds=1)
    page = signed_in.post(CREATE, ASKED)
    assert page.context["form"].errors["seconds"] == ["Clips of your account can be up to 1 s long."]


def test_qualities_fit_the_largest_size_of_the_account_and_the_form_says_it(signed_in):
    QuotaFactory(max_side=240)
    html = signed_in.get(CREATE).content.decode()
    assert "240 px, 24 fps" in html
    assert "Your account: up to 240 pixels on the longer side." in html
    assert signed_in.post(CREATE, {**ASKED, "quality": "best", "aspect": "16:9"}).status_code == 302
    made = Job.objects.get().render_request
    assert max(made.width, made.height) <= 240


def test_a_size_beyond_the_quota_is_refused_at_the_resolution(signed_in):
    QuotaFactory(max_side=160)
    page = signed_in.post(f"{CREATE}?mode=advanced", {**ADVANCED, "short_side": "256"})
    assert "your account allows 160" in str(page.context["form"].errors["short_side"])
    custom = {**ADVANCED, "aspect": "custom", "width": "256", "height": "128"}
    page = signed_in.post(f"{CREATE}?mode=advanced", custom)
    assert page.context["form"].errors["width"] == [
        "Clips of your account can have up to 160 pixels on the longer side."
    ]


def test_an_earlier_clip_that_is_too_long_now_is_offered_at_the_length_that_is_allowed(signed_in, user):
    QuotaFactory(max_seconds=2)
    job = JobFactory(user=user, request=a_request(seconds=4))
    page = signed_in.get(f"{CREATE}?from={job.pk}")
    assert page.context["form"]["seconds"].value() == 2
    assert "longer than your account allows; the maximum is 2 s" in text_of(page)


@pytest.mark.parametrize("limits", [{"waiting": 0}, {"seconds_a_day": 0}, {"storage_mb": 0}])
def test_who_may_make_nothing_reads_that_alone_and_nothing_that_would_not_help(signed_in, limits):
    QuotaFactory(**limits)
    refusals = signed_in.post(SUMMARY, ASKED).context["refusals"]
    assert [str(text) for found in refusals for texts in found.errors.values() for text in texts] == [
        "Your account may not make clips. Ask the people who run this site."
    ]


def _again(client, user):
    job = JobFactory(user=user, status=Status.DONE)
    return client.post(reverse("generation:create-again", args=[job.pk]))


def _retry(client, user):
    job = JobFactory(user=user, status=Status.FAILED)
    return client.post(reverse("generation:retry", args=[job.pk]))


def _more_like_this(client, user):
    return client.post(reverse("gallery:more-like-this", args=[VideoFactory(user=user).pk]))


def _in_full(client, user):
    draft = JobFactory(user=user, status=Status.DONE, request=a_request(quality="draft"))
    page = client.get(f"{CREATE}?from={draft.pk}&quality=standard")
    values = {name: value for name, value in page.context["form"].values().items() if value is not None}
    return client.post(CREATE, values)


def _variations(client, user):
    return client.post(CREATE, {**ASKED, "variations": "4"})


def _sweep(client, user):
    axes = {"across": "guidance", "across_values": "5, 7", "confirmed": "1"}
    return client.post(reverse("generation:create-sweep"), {**ADVANCED, **axes})


def _preset(client, user):
    settings = {name: value for name, value in a_request().items() if name not in ("prompt", "quality")}
    preset = Preset.objects.create(user=user, name="mine", settings=settings)
    page = client.get(f"{CREATE}?preset={preset.pk}&prompt=a+star")
    values = {name: value for name, value in page.context["form"].values().items() if value is not None}
    return client.post(CREATE, values)


def _many(client, user):
    return client.post(MANY, {"lines": "a\nb\nc", "aspect": "1:1", "seconds": "2", "quality": "draft"})


DOORS = [_again, _retry, _more_like_this, _in_full, _variations, _sweep, _preset, _many]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("limits", [{"seconds_a_day": 1}, {"storage_mb": 0}])
def test_no_door_leads_past_a_quota(signed_in, user, door, limits):
    QuotaFactory(user=user, **limits)
    door(signed_in, user)
    assert not Job.objects.filter(status=Status.QUEUED).exists()


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_open_within_the_quota(signed_in, user, door):
    QuotaFactory(user=user, seconds_a_day=30, waiting=10, storage_mb=100)
    door(signed_in, user)
    assert Job.objects.filter(status=Status.QUEUED).exists()


def test_a_grid_that_is_too_much_is_refused_before_it_is_shown(signed_in):
    QuotaFactory(seconds_a_day=3)
    axes = {"across": "guidance", "across_values": "5, 7"}
    page = signed_in.post(reverse("generation:create-sweep"), {**ADVANCED, **axes})
    assert "This needs 4 s of video, and you may make 3 s" in str(page.context["sweep"].non_field_errors())
    assert page.context["sweep"]["across_values"].value() == "5, 7"


def test_staff_who_render_a_clip_again_do_not_exceed_its_owners_quota(admin_client, user):
    QuotaFactory(user=user, seconds_a_day=1)
    job = JobFactory(user=user, status=Status.FAILED)
    asked = {"action": "retry_jobs", "_selected_action": [str(job.pk)]}
    page = admin_client.post(reverse("admin:generation_job_changelist"), asked, follow=True)
    assert "you may make 1 s in 24 hours" in page.content.decode()
    job.refresh_from_db()
    assert job.status == Status.FAILED


def test_the_page_costs_as_many_queries_for_much_use_as_for_little(signed_in, user, django_assert_max_num_queries):
    QuotaFactory(user=user, seconds_a_day=600, waiting=100, storage_mb=100)
    signed_in.get(CREATE)
    with django_assert_max_num_queries(60) as before:
        signed_in.get(CREATE)
    for _ in range(10):
        LedgerEntryFactory(user=user)
        VideoFactory(user=user)
    with django_assert_max_num_queries(len(before)):
        signed_in.get(CREATE)


def test_a_file_of_prompts_is_queued_as_a_whole_or_refused_with_what_is_left(signed_in, user):
    QuotaFactory(seconds_a_day=5, waiting=10)
    lines = {"lines": "a\nb\nc", "aspect": "1:1", "seconds": "2", "quality": "draft"}
    page = signed_in.post(MANY, lines)
    assert "This needs 6 s of video, and you may make 5 s in 24 hours" in str(page.context["form"].non_field_errors())
    assert not user.batches.exists()
    assert signed_in.post(MANY, {**lines, "lines": "a\nb"}).status_code == 302
    page = signed_in.post(MANY, {**lines, "lines": "d"})
    assert "you have 1 s left until" in str(page.context["form"].non_field_errors())
    assert page.context["form"]["lines"].value() == "d"


def test_lines_beyond_the_quota_are_named(signed_in):
    QuotaFactory(max_seconds=2, max_side=256)
    lines = "prompt,size,seconds\na,256x256,2\nb,512x256,2\nc,256x256,3"
    page = signed_in.post(MANY, {"lines": lines, "aspect": "1:1", "seconds": "2", "quality": "draft"})
    assert [(found["line"], found["field"]) for found in page.context["form"].problems] == [(3, "size"), (4, "seconds")]


def test_rows_that_something_else_left_no_room_for_are_named_afterwards(signed_in, user, monkeypatch):
    QuotaFactory(seconds_a_day=6)
    submit, made = services.submit, []

    def after_another_tab(*args, **kwargs):
        if not made:
            made.append(LedgerEntryFactory(user=user, seconds=4))
        return submit(*args, **kwargs)

    monkeypatch.setattr(services, "submit", after_another_tab)
    lines = {"lines": "a\nb", "aspect": "1:1", "seconds": "2", "quality": "draft"}
    page = signed_in.post(MANY, lines, follow=True)
    assert "1 clip could not be queued. You have used all of your 6 s of video in 24 hours. This needs 2 s" in text_of(
        page
    )
    assert Job.objects.count() == 1
