"""What is done on the compare page: keep some and trash the rest, or make more like one."""

import re
from uuid import uuid4

import pytest
from django.utils import timezone

from gallery.models import Video
from generation.domain.states import Status
from generation.models import Batch, Job
from tests.factories import BatchFactory, JobFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

KEEP = "/videos/compare/keep/"


@pytest.fixture
def videos(client, user):
    client.force_login(user)
    return VideoFactory.create_batch(4, user=user)


def ids(videos) -> list[str]:
    return [str(video.pk) for video in videos]


def address(videos) -> str:
    return f"/videos/compare/?{'&'.join(f'video={id}' for id in ids(videos))}"


def keep(client, videos, **data):
    return client.post(KEEP, {"video": ids(videos), "next": address(videos), **data}, follow=True)


def kept() -> set[str]:
    return {str(pk) for pk in Video.objects.kept().values_list("pk", flat=True)}


def test_the_clip_whose_button_was_pressed_is_kept_and_the_rest_can_be_had_back(client, videos):
    page = keep(client, videos, only=ids(videos)[2])
    assert kept() == {ids(videos)[2]}
    html = page.content.decode()
    assert "3 clips were moved to the trash." in html
    assert page.redirect_chain[-1][0] == address(videos)
    stamp = re.search(r'name="at" value="(\d+)"', html)[1]
    page = client.post("/videos/undo/", {"at": stamp, "next": address(videos)}, follow=True)
    assert kept() == set(ids(videos))
    assert page.content.decode().count('class="card clip"') == 4


def test_several_can_be_kept(client, videos):
    keep(client, videos, keep=ids(videos)[:2])
    assert kept() == set(ids(videos)[:2])


def test_the_button_of_one_counts_more_than_what_is_selected(client, videos):
    keep(client, videos, keep=ids(videos)[:2], only=ids(videos)[3])
    assert kept() == {ids(videos)[3]}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Select at least one clip to keep."),
        ({"only": "nonsense"}, ""),
        ({"keep": ["nonsense"]}, "These are not valid clip IDs."),
        ({"only": str(uuid4())}, "so nothing was deleted"),
        ({"video": [], "only": str(uuid4())}, "Select at least one clip first."),
    ],
)
def test_nothing_is_deleted_unless_something_is_kept(client, videos, data, says):
    assert says in keep(client, videos, **data).content.decode()
    assert kept() == set(ids(videos))


def test_a_clip_that_is_gone_cannot_be_kept_so_the_others_stay(client, videos):
    Video.objects.filter(pk=videos[0].pk).update(deleted_at=timezone.now())
    keep(client, videos, only=ids(videos)[0])
    assert kept() == set(ids(videos)[1:])


def test_only_what_the_page_showed_goes_and_only_ones_own(client, user, other_user, videos):
    elsewhere, theirs = VideoFactory(user=user), VideoFactory(user=other_user)
    keep(client, [*videos, theirs], only=ids(videos)[0])
    assert kept() == {ids(videos)[0], str(elsewhere.pk), str(theirs.pk)}


def test_keeping_the_only_clip_left_deletes_nothing(client, videos):
    html = keep(client, videos[:1], only=ids(videos)[0]).content.decode()
    assert kept() == set(ids(videos))
    assert "trash." not in html


def test_a_stack_is_shown_when_the_clip_that_its_address_names_was_not_kept(client, user):
    client.force_login(user)
    stack = [VideoFactory(user=user, request=a_request(seed=seed), stack_key="") for seed in range(3)]
    address = f"/videos/compare/?stack={stack[0].pk}"
    page = client.post(KEEP, {"video": ids(stack), "only": ids(stack)[1], "next": address}, follow=True)
    assert page.status_code == 200
    assert page.content.decode().count('class="card clip"') == 1
    assert "2 clips were moved to the trash." in page.content.decode()
    Video.objects.filter(pk=stack[1].pk).update(deleted_at=timezone.now())
    assert "Nothing to compare" in client.get(address).content.decode()


def test_clips_that_still_render_go_on(client, user, videos):
    batch = BatchFactory(user=user, axes=[])
    job = JobFactory(user=user, batch=batch, row=1, status=Status.RUNNING)
    for row, video in enumerate(videos, start=2):
        video.job = JobFactory(user=user, batch=batch, row=row, status=Status.DONE)
        video.save()
    page = keep(client, videos, only=ids(videos)[0]).text
    job.refresh_from_db()
    assert job.status == Status.RUNNING
    assert "1 clip beside these still renders and goes on." in page


def test_nothing_is_said_of_other_clips_that_render(client, user, videos):
    JobFactory(user=user, batch=BatchFactory(user=user, axes=[]), row=1, status=Status.RUNNING)
    assert "still render" not in keep(client, videos, only=ids(videos)[0]).text


# --- More like one ----------------------------------------------------------------------------------------------------


def more(client, video, **data):
    return client.post(f"/videos/{video.pk}/more/", data, follow=True)


def test_more_like_one_are_variations_with_new_seeds_to_compare(client, user):
    client.force_login(user)
    video = VideoFactory(user=user, request=a_request(seed=7, guidance=3, motion_loras="", quality="draft"))
    page = more(client, video)
    batch = Batch.objects.get(user=user)
    assert page.redirect_chain[-1][0] == f"/videos/compare/?batch={batch.pk}"
    jobs = list(batch.jobs.order_by("row"))
    assert [job.row for job in jobs] == [1, 2, 3, 4]
    assert len({job.seed for job in jobs} | {7}) == 5
    for job in jobs:
        assert {**job.request, "seed": 7} == video.request
    assert page.content.decode().count('class="job"') == 4


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"MAX_ACTIVE_JOBS": 3}, "At most 3 of your clips"), ({"MAX_SECONDS": 1}, "must be between 1 and 1")],
)
def test_a_limit_is_told_and_nothing_is_queued(client, user, settings, limits, says):
    client.force_login(user)
    video = VideoFactory(user=user)
    for name, value in limits.items():
        setattr(settings, name, value)
    assert says in more(client, video, next=f"/videos/compare/?video={video.pk}").content.decode()
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_more_of_a_model_that_is_gone_is_refused(client, user):
    client.force_login(user)
    video = VideoFactory(user=user, request={**a_request(seed=7), "model": "no-such-model"})
    assert "There is no model with this name" in more(client, video).content.decode()
    assert not Job.objects.exists()
