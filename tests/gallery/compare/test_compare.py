"""The compare page: whose clips it shows, in which order, and in what they differ."""

import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery.compare import selectors
from gallery.compare.differences import differences
from generation.batches.variations import MAX_COMPARED
from generation.domain.states import Status
from tests.factories import BatchFactory, JobFactory, UserFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

URL = "/videos/compare/"


@pytest.fixture
def owner(client, user):
    client.force_login(user)
    return user


def a_batch(user, *states: str, **request):
    """Return a batch of variations with a row per state; those that are done have a video."""
    batch = BatchFactory(user=user, axes=[])
    for row, status in enumerate(states, start=1):
        asked = a_request(**{"seed": row, **request})
        job = JobFactory(user=user, batch=batch, row=row, seed=row, status=status, request=asked)
        if status == Status.DONE:
            VideoFactory(user=user, job=job, request=asked)
    return batch


def of(*videos) -> str:
    return f"{URL}?{'&'.join(f'video={video.pk}' for video in videos)}"


def shown(response) -> list[str]:
    return re.findall(r'id="clip-([0-9a-f-]+)" aria', response.content.decode())


def test_a_batch_is_shown_by_its_rows_finished_or_not(client, owner):
    batch = a_batch(owner, Status.DONE, Status.RUNNING, Status.QUEUED, Status.FAILED)
    response = client.get(f"{URL}?batch={batch.pk}")
    assert shown(response) == [str(pk) for pk in batch.jobs.order_by("row").values_list("pk", flat=True)]
    html = response.content.decode()
    assert html.count("<video ") == 1
    assert html.count('class="job"') == 3
    assert html.count(" data-rendering") == 3
    assert "2 are not finished yet" in html


def test_a_clip_that_failed_is_repaired_from_here(client, owner):
    batch = a_batch(owner, Status.DONE, Status.FAILED, size="512x512", seconds=5)
    batch.jobs.filter(row=2).update(error_id="out-of-memory", error_context={"stage": "generate"})
    html = client.get(f"{URL}?batch={batch.pk}").content.decode()
    assert 'class="repair"' in html
    assert html.count("job__main") == 1  # trying again comes second


def test_a_selection_is_shown_in_the_order_of_its_address(client, owner):
    one, two, three = VideoFactory.create_batch(3, user=owner)
    assert shown(client.get(of(two, three, one, two))) == [str(video.pk) for video in (two, three, one)]


def test_only_ones_own_kept_clips_are_shown(client, owner, other_user):
    mine = VideoFactory(user=owner)
    theirs, public = VideoFactory(user=other_user), VideoFactory(user=other_user, public=True)
    deleted = VideoFactory(user=owner, deleted_at=timezone.now())
    assert shown(client.get(of(theirs, public, deleted, mine))) == [str(mine.pk)]
    assert client.get(f"{URL}?batch={BatchFactory(user=other_user).pk}").status_code == 404
    assert client.get(f"{URL}?batch={uuid4()}").status_code == 404


NOBODYS = "65b557eb-81ec-4003-9294-53710ee5950a"


@pytest.mark.parametrize(
    "query", ["", "?video=", "?video=nonsense", "?batch=nonsense", "?video=%00", f"?video={NOBODYS}"]
)
def test_without_clips_it_says_how_to_get_some(client, owner, query):
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200
    assert "Nothing to compare" in response.content.decode()


def test_clips_that_were_deleted_or_removed_leave_their_batch(client, owner):
    batch = a_batch(owner, Status.DONE, Status.DONE, Status.FAILED)
    first, _second, failed = batch.jobs.order_by("row")
    first.video.deleted_at = timezone.now()
    first.video.save()
    batch.jobs.filter(pk=failed.pk).update(removed_at=timezone.now())
    response = client.get(f"{URL}?batch={batch.pk}")
    assert len(shown(response)) == 1
    assert "Keep</button>" not in response.content.decode(), "there is nothing to choose between"


def test_no_more_are_shown_than_can_be_told_apart_and_the_rest_is_counted(client, owner):
    batch = a_batch(owner, *[Status.QUEUED] * (MAX_COMPARED + 3))
    response = client.get(f"{URL}?batch={batch.pk}")
    assert len(shown(response)) == MAX_COMPARED
    assert "3 more are not shown" in response.content.decode()
    videos = VideoFactory.create_batch(MAX_COMPARED + 1, user=owner)
    response = client.get(of(*videos))
    assert len(shown(response)) == MAX_COMPARED
    assert "1 more is not shown" in response.content.decode()


def test_seeds_are_shown_and_only_settings_that_differ(client, owner):
    made = [
        VideoFactory(user=owner, request=a_request(seed=seed, guidance=guidance)) for seed, guidance in ((7, 3), (8, 5))
    ]
    html = client.get(of(*made)).content.decode()
    assert re.findall(r'mono">(\d+)<', html) == ["7", "8"]
    assert re.findall(r"<dt>(\w+)</dt><dd>([^<]+)</dd>", html) == [("Guidance", "3.0"), ("Guidance", "5.0")]
    assert 'class="lead" lang="en">a red heart rising over the sea<' in html


def test_every_kind_of_setting_can_differ():
    plain = a_request()
    other = a_request(
        prompt="a blue star", negative_prompt="blurred", width=320, seconds=1, fps=8, format="gif", steps=3
    )
    first, second = differences([plain, {**other, "quality": "draft"}])
    assert [fact.name for fact in first] == [fact.name for fact in second]
    told = {fact.name: str(fact.value) for fact in second}
    assert told["size"] == "320\u00a0×\u00a0256"
    assert (told["prompt"], told["format"], told["quality"]) == ("a blue star", "GIF", "Draft")
    assert (told["seconds"], told["fps"]) == ("1 s", "8 fps")
    assert {fact.name: str(fact.value) for fact in first}["negative_prompt"] == "–"
    assert differences([plain, {**plain, "seed": 9}]) == [[], []]
    assert differences([]) == []


def test_exactly_two_finished_clips_get_a_slider(client, owner):
    one, two, three = VideoFactory.create_batch(3, user=owner)
    assert 'type="range"' in client.get(of(one, two)).content.decode()
    assert 'type="range"' not in client.get(of(one, two, three)).content.decode()
    half = a_batch(owner, Status.DONE, Status.RUNNING)
    assert 'type="range"' not in client.get(f"{URL}?batch={half.pk}").content.decode()


def test_a_draft_can_be_rendered_in_full(client, owner):
    draft, full = VideoFactory(user=owner, request=a_request(quality="draft")), VideoFactory(user=owner)
    html = client.get(of(draft, full)).content.decode()
    assert re.findall(r'href="([^"]+)">Render in full', html) == [f"/create/?video={draft.pk}&amp;quality=standard"]


def test_the_page_loads_no_clip_and_plays_nothing_by_itself_without_scripts(client, owner):
    gif = VideoFactory(user=owner, request=a_request(format="gif"))
    html = client.get(of(VideoFactory(user=owner), gif)).content.decode()
    assert "autoplay" not in html
    assert html.count('preload="none"') == html.count("<video ")
    assert f'<img src="/videos/{gif.pk}/poster/"' in html


def test_more_clips_cost_no_more_queries(client, owner, busy):
    each = (Status.DONE, Status.QUEUED, Status.RUNNING)
    few, many = a_batch(owner, *each), a_batch(owner, *each * 6)
    videos = VideoFactory.create_batch(12, user=owner)
    counts = []
    for path in (f"{URL}?batch={few.pk}", f"{URL}?batch={many.pk}", of(*videos[:2]), of(*videos)):
        client.get(path)
        with CaptureQueriesContext(connection) as caught:
            client.get(path)
        counts.append(len(caught))
    assert counts[0] == counts[1]
    assert counts[2] == counts[3]
    assert counts[0] < 16


def test_a_stranger_finds_nothing_in_somebody_elses_batch(client, owner):
    batch = a_batch(owner, Status.DONE)
    client.force_login(UserFactory())
    assert client.get(f"{URL}?batch={batch.pk}").status_code == 404
    assert selectors.of_videos(UserFactory(), [batch.jobs.get().video.pk]).clips == []


def test_clips_that_are_shown_finished_are_no_longer_new(client, owner):
    batch = a_batch(owner, Status.DONE, Status.DONE, Status.FAILED)
    assert sum(job.is_new for job in batch.jobs.all()) == 3
    client.get(f"{URL}?batch={batch.pk}")
    assert [job.is_new for job in batch.jobs.order_by("row")] == [False, False, True]
    alone = a_batch(owner, Status.DONE).jobs.get()
    client.get(of(alone.video))
    alone.refresh_from_db()
    assert not alone.is_new


# --- Ways to it -------------------------------------------------------------------------------------------------------


def test_variations_and_their_cards_lead_to_it(client, owner):
    batch = a_batch(owner, Status.DONE, Status.RUNNING)
    link = f'href="{URL}?batch={batch.pk}"'
    assert f'class="button button--lamp" {link}' in client.get(f"/batches/{batch.pk}/").content.decode()
    done = batch.jobs.get(row=1)
    page = client.get(f"/jobs/{done.pk}/").content.decode()
    assert f'job__main" {link}' in page
    assert page.count("job__main") == 1
    assert f'job__main" {link}' in client.get("/jobs/").content.decode()


def test_a_file_of_prompts_leads_to_it_as_well_unless_it_is_long(client, owner):
    file = BatchFactory(user=owner)
    JobFactory(user=owner, batch=file, row=1)
    link = f'href="{URL}?batch={file.pk}"'
    assert link not in client.get(f"/batches/{file.pk}/").content.decode()
    job = JobFactory(user=owner, batch=file, row=2)
    assert f'class="button" {link}' in client.get(f"/batches/{file.pk}/").content.decode()
    assert link not in client.get(f"/jobs/{job.pk}/").content.decode(), "its clips have little in common"


def test_a_selection_in_the_library_leads_to_it(client, owner):
    videos = VideoFactory.create_batch(2, user=owner)
    ids = [video.pk for video in videos]
    response = client.post("/videos/selected/", {"act": "compare", "video": ids}, follow=True)
    assert response.redirect_chain[0][0].startswith(f"{URL}?video=")
    assert set(shown(response)) == {str(id) for id in ids}


def test_too_large_a_selection_is_refused(client, owner):
    ids = [video.pk for video in VideoFactory.create_batch(MAX_COMPARED + 1, user=owner)]
    response = client.post("/videos/selected/", {"act": "compare", "video": ids}, follow=True)
    assert f"You can compare at most {MAX_COMPARED} clips at once." in response.content.decode()
