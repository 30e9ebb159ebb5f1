"""Pages for many prompts at once: all or nothing is queued, and only the owner sees the batch."""

import asyncio
import io
import re
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.batches import parsing, views
from generation.batches.progress import counted
from generation.domain.states import ACTIVE, Status
from generation.models import Batch, Job
from generation.queue import services
from tests.factories import BatchFactory, JobFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db

SETTINGS = {"aspect": "1:1", "seconds": "2", "quality": "draft"}
GOOD = "a red heart\n# a comment\n\na blue star\na green cross\n"
BAD = 'prompt,fps\na red heart,24\na blue star,7\n"a green cross",8\n,8\n'
ADDRESSES = ("batch", "batch-progress", "batch-cancel", "batch-download")


def post(client, lines="", file=None, **changes):
    data = {"lines": lines, **SETTINGS, **changes}
    if file is not None:
        data["file"] = SimpleUploadedFile(*file)
    return client.post(reverse("generation:create-many"), data)


# --- Submitting ------------------------------------------------------------------------------------------------------


def test_each_line_becomes_a_clip_of_one_batch(signed_in, user):
    response = post(signed_in, GOOD)
    batch = Batch.objects.get(user=user)
    assert response.url == reverse("generation:batch", args=[batch.pk])
    assert re.fullmatch(r"3 clips, \d\d:\d\d", batch.name)  # the first prompt would pass for the name of one clip
    found = {job.row: job.render_request for job in batch.jobs.all()}
    assert [found[row].prompt for row in (1, 2, 3)] == ["a red heart", "a blue star", "a green cross"]
    assert {(request.width, request.quality) for request in found.values()} == {(128, "draft")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", b"a red heart\n"),
        ("p.csv", b"prompt;seed\na red heart;7\n"),
        ("p.jsonl", b'{"prompt": "a red heart"}\n'),
        ("p", b"\xef\xbb\xbfa red heart\n"),
    ],
)
def test_a_file_is_read_as_the_batch_command_reads_it(signed_in, name, content):
    post(signed_in, file=(name, content))
    assert Job.objects.get().request["prompt"] == "a red heart"
    assert Batch.objects.get().name == name


def test_what_a_row_says_counts_before_what_the_page_says(signed_in):
    post(signed_in, "prompt,size,fps,steps,seconds,preset\na red heart,300x200,32,9,4,mine\na blue star,,,,,\n")
    own, by_page = (job.render_request for job in Job.objects.order_by("row"))
    assert (own.width, own.height, own.fps, own.steps, own.seconds, own.quality) == (300, 200, 32, 9, 4, "mine")
    assert (by_page.width, by_page.fps, by_page.seconds, by_page.quality) == (128, 16, 2, "draft")


def test_a_wrong_line_is_named_and_nothing_is_queued(signed_in):
    response = post(signed_in, BAD)
    assert [(problem["line"], problem["field"]) for problem in response.context["form"].problems] == [
        (3, "fps"),
        (5, "prompt"),
    ]
    assert "Line 3, fps:" in response.content.decode()
    assert "a green cross" in response.content.decode()
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_what_is_wrong_is_said_by_line_and_once(signed_in):
    page = post(signed_in, "prompt,size\na red heart,1x1\na blue star,256x256\n").content.decode()
    assert page.count("A side must be an even number") == 1
    assert "What is wrong" in page
    assert "Please check the marked field" not in page


def test_what_is_wrong_with_the_page_itself_is_said_without_lines(signed_in):
    page = post(signed_in, "").content.decode()
    assert "Please check the marked field" in page
    assert "What is wrong" not in page


def test_wrong_lines_are_skipped_where_that_is_wanted(signed_in):
    post(signed_in, BAD, skip_invalid="on")
    assert sorted(Job.objects.values_list("row", flat=True)) == [1, 3]


def test_if_every_line_is_invalid_nothing_can_be_queued(signed_in):
    response = post(signed_in, "prompt,fps\na,7\n", skip_invalid="on")
    assert response.context["form"].errors["lines"]
    assert not Batch.objects.exists()


def test_the_text_of_a_wrong_file_comes_back_to_be_corrected_and_is_read_by_the_same_rules(signed_in):
    wrong = b'{"prompt": "a red heart", "fps": 7}\n'
    form = post(signed_in, file=("p.jsonl", wrong)).context["form"]
    assert (form["lines"].value(), form["from_file"].value()) == (wrong.decode(), "p.jsonl")
    post(signed_in, wrong.decode().replace("7", "8"), from_file="p.jsonl")
    assert Batch.objects.get().name == "p.jsonl"


@pytest.mark.parametrize(
    ("lines", "file", "field"),
    [
        ("", None, "lines"),
        (" \n ", None, "lines"),
        ("a red heart", ("p.txt", b"a blue star"), "lines"),
        ("", ("p.csv", b"colour,size\nred,1\n"), "file"),
        ("", ("p.csv", b'prompt\n"a red heart\n'), "file"),
        ("", ("p.txt", "a red heart".encode("utf-16") + b"x"), "file"),
        ("", ("p.txt", b""), "file"),
        ("# only a comment", None, "lines"),
    ],
)
def test_unreadable_input_is_reported_at_its_field(signed_in, lines, file, field):
    response = post(signed_in, lines, file)
    assert list(response.context["form"].errors) == [field]
    assert not Batch.objects.exists()


def test_a_file_that_is_too_large_is_refused(signed_in):
    response = post(signed_in, file=("p.txt", b"x" * (parsing.MAX_BYTES + 1)))
    assert "at most 10 MiB" in str(response.context["form"].errors["file"])


def test_more_lines_than_may_wait_are_refused_as_a_whole(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 2
    response = post(signed_in, GOOD)
    assert "at most 2 may wait at a time" in response.content.decode()
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_that_there_are_too_many_is_said_above_the_lines_that_are_skipped(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 1
    page = post(signed_in, BAD, skip_invalid="on").content.decode()
    assert page.index("you may only have 1 more waiting") < page.index("What is wrong")


def test_the_same_lines_again_are_the_same_batch_and_go_on(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 3
    post(signed_in, GOOD)
    services.fail(Job.objects.get(row=2), 1, "out-of-memory", {})
    post(signed_in, GOOD)
    assert Batch.objects.count() == 1
    assert Job.objects.filter(status__in=ACTIVE).count() == 3


def test_the_page_explains_itself(signed_in):
    page = signed_in.get(reverse("generation:create-many")).content.decode()
    assert "prompt,size,seconds,seed" in page


# --- Batch pages -----------------------------------------------------------------------------------------------------


@pytest.fixture
def batch(user):
    batch = BatchFactory(user=user, name="hearts & stars.txt")
    prompts = {"a red heart": Status.DONE, "../ein süßer Stern": Status.DONE, "a cross": Status.FAILED}
    prompts["a star"] = Status.QUEUED
    for row, (prompt, status) in enumerate(prompts.items(), start=1):
        job = JobFactory(user=user, batch=batch, row=row, request=a_request(prompt=prompt), status=status)
        if status == Status.DONE:
            name = storages["default"].save(f"videos/{job.pk}/video.mp4", ContentFile(f"video {row}".encode()))
            VideoFactory(user=user, job=job, video_file=name)
    return batch


def test_a_batch_says_how_far_all_of_it_is(signed_in, batch):
    response = signed_in.get(reverse("generation:batch", args=[batch.pk]))
    progress = response.context["progress"]
    assert (progress.total, progress.ended, progress.permille) == (4, 3, 750)
    assert progress.is_active
    assert "3 of 4 clips have ended" in response.content.decode()
    assert [row["job"].row for row in response.context["jobs"]] == [1, 2, 3, 4]


def test_progress_asks_for_itself_until_all_have_ended(signed_in, batch):
    address = reverse("generation:batch-progress", args=[batch.pk])
    assert f'hx-get="{address}"' in signed_in.get(address).content.decode()
    for job in batch.jobs.all():
        services.cancel(job)
    assert "hx-get" not in signed_in.get(address).content.decode()


def test_everything_that_has_not_ended_is_cancelled_at_once(signed_in, batch):
    signed_in.post(reverse("generation:batch-cancel", args=[batch.pk]))
    assert sorted(batch.jobs.values_list("status", flat=True)) == ["cancelled", "done", "done", "failed"]
    response = signed_in.post(reverse("generation:batch-cancel", args=[batch.pk]), follow=True)
    assert "nothing to cancel" in response.content.decode()


async def _content(response) -> bytes:
    return b"".join([block async for block in response.streaming_content])


def test_all_finished_clips_come_in_one_zip(signed_in, batch):
    response = signed_in.get(reverse("generation:batch-download", args=[batch.pk]))
    assert response["Content-Type"] == "application/zip"
    assert 'filename="hearts-starstxt.zip"' in response["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(asyncio.run(_content(response))))
    assert {name: archive.read(name) for name in archive.namelist()} == {
        "0001-a-red-heart.mp4": b"video 1",
        "0002-ein-süßer-stern.mp4": b"video 2",
    }


def test_there_is_no_zip_of_nothing(signed_in, user):
    batch = BatchFactory(user=user)
    response = signed_in.get(reverse("generation:batch-download", args=[batch.pk]))
    assert response.url == reverse("generation:batch", args=[batch.pk])


def test_a_batch_whose_clips_were_deleted_still_has_a_page(signed_in, user):
    response = signed_in.get(reverse("generation:batch", args=[BatchFactory(user=user).pk]))
    assert "were deleted" in response.content.decode()


def test_the_list_shows_a_persons_own_batches_with_their_numbers(signed_in, batch, other_user):
    BatchFactory(user=other_user, name="somebody else's")
    page = signed_in.get(reverse("generation:batches")).content.decode()
    assert "2 of 4 clips finished" in page
    assert "somebody else" not in page


def test_the_list_hides_no_clip_that_failed_or_was_cancelled(signed_in, user):
    batch = BatchFactory(user=user)
    for row, status in enumerate([Status.RUNNING, Status.FAILED, Status.CANCELLED, Status.CANCELLED]):
        JobFactory(user=user, batch=batch, row=row, status=status)
    page = signed_in.get(reverse("generation:batches")).content.decode()
    assert "0 of 4 clips finished · 1 to go · 1 failed · 2 cancelled" in page


def test_the_list_says_nothing_of_what_did_not_happen(signed_in, user):
    JobFactory(user=user, batch=BatchFactory(user=user), status=Status.DONE)
    page = signed_in.get(reverse("generation:batches")).content.decode()
    assert [word for word in ("to go", "failed", "cancelled") if f"· 0 {word}" in page] == []


def test_the_list_takes_as_many_queries_for_many_batches_as_for_one(signed_in, user, django_assert_max_num_queries):
    JobFactory(user=user, batch=BatchFactory(user=user), status=Status.FAILED)
    with django_assert_max_num_queries(20) as before:
        signed_in.get(reverse("generation:batches"))
    for _ in range(5):
        JobFactory(user=user, batch=BatchFactory(user=user), status=Status.CANCELLED)
    with django_assert_max_num_queries(len(before)):
        signed_in.get(reverse("generation:batches"))


def test_the_list_counts_the_clips_of_one_page_of_batches_only(signed_in, user, monkeypatch):
    monkeypatch.setattr(views, "BATCHES_A_PAGE", 2)
    made = [BatchFactory(user=user, name=f"Batch {n}") for n in range(5)]
    for batch in made:
        JobFactory(user=user, batch=batch, status=Status.DONE)
    with CaptureQueriesContext(connection) as queries:
        page = signed_in.get(f"{reverse('generation:batches')}?page=2").content.decode()
    assert re.findall(r">(Batch \d)<", page) == ["Batch 2", "Batch 1"]
    assert page.count("1 of 1 clip finished") == 2
    (counting,) = (query["sql"] for query in queries if 'COUNT("generation_job"."id")' in query["sql"])
    assert [batch.name for batch in made if batch.pk.hex in counting.replace("-", "")] == ["Batch 1", "Batch 2"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans follow what it has counted")
def test_the_clips_of_a_page_of_batches_are_read_from_an_index(user):
    plan = counted(BatchFactory.create_batch(2, user=user)).explain()
    assert "SCAN" not in plan
    assert re.search(r"SEARCH generation_job USING INDEX \w+ \(batch_id=\?\)", plan)


def test_an_empty_list_says_what_to_do(signed_in):
    assert reverse("generation:create-many") in signed_in.get(reverse("generation:batches")).content.decode()


@pytest.mark.parametrize("name", ADDRESSES)
def test_another_users_batch_is_not_found(client, batch, other_user, name):
    client.force_login(other_user)
    method = client.post if name == "batch-cancel" else client.get
    assert method(reverse(f"generation:{name}", args=[batch.pk])).status_code == 404
    assert batch.jobs.filter(status=Status.QUEUED).exists()


@pytest.mark.parametrize("name", [*ADDRESSES, "batches", "create-many"])
def test_anonymous_visitors_are_asked_to_sign_in(client, batch, name):
    arguments = [batch.pk] if name in ADDRESSES else []
    assert client.get(reverse(f"generation:{name}", args=arguments)).url.startswith(reverse("account_login"))


def test_cancelling_a_batch_requires_post(signed_in, batch):
    assert signed_in.get(reverse("generation:batch-cancel", args=[batch.pk])).status_code == 405


def test_a_batch_takes_as_many_queries_for_many_clips_as_for_few(signed_in, user, django_assert_max_num_queries):
    batch = BatchFactory(user=user)
    for row in range(24):
        JobFactory(user=user, batch=batch, row=row, status=Status.FAILED)
    with django_assert_max_num_queries(20):
        signed_in.get(reverse("generation:batch", args=[batch.pk]))


def test_the_name_of_a_field_is_shown_as_far_as_a_page_can_show_it(signed_in):
    response = post(signed_in, '{"prompt": "a red heart", "\\ud800": 1}\n')
    assert r"\ud800" in response.content.decode()


def test_a_gif_of_a_batch_is_shown_as_its_poster(signed_in, user):
    batch = BatchFactory(user=user)
    job = JobFactory(user=user, batch=batch, row=1, status=Status.DONE, request=a_request(format="gif"))
    video = VideoFactory(user=user, job=job, request=job.request)
    html = signed_in.get(reverse("generation:batch", args=[batch.pk])).content.decode()
    assert f'<img src="{reverse("gallery:poster", args=[video.pk])}"' in html
    assert not re.search(rf'(src|srcset)="{reverse("gallery:file", args=[video.pk])}"', html), "not the whole GIF"


def test_what_follows_an_unreadable_value_of_a_json_list_is_not_dropped(signed_in, user):
    content = '[{"prompt": "a réd heart"},\n{"prompt": "a bl?ue star"},\n{"prompt": "a cross"}]'.encode().replace(
        b"?", b"\xff"
    )
    post(signed_in, file=("p.json", content), skip_invalid="on")
    queued = [job.render_request.prompt for job in Job.objects.filter(user=user).order_by("row")]
    assert queued == ["a réd heart", "a cross"]
