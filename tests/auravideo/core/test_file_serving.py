"""Files are served whole or by byte ranges, and only to their owner."""

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.http import Http404
from django.urls import reverse

from auravideo.core.file_serving import serve
from tests.factories import VideoFactory

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * 1024


@pytest.fixture(autouse=True, params=["local", "s3"])
def storage(request, settings):
    """Run each test with local files, and with files on S3 that come through the site."""
    if request.param == "local":
        yield
        return
    request.getfixturevalue("on_s3")
    settings.S3_DELIVERY = "site"
    yield


@pytest.fixture
def video(user):
    name = storages["default"].save("videos/1/video.mp4", ContentFile(CONTENT))
    return VideoFactory(user=user, video_file=name)


def fetch(client, video, header=None, name="gallery:file"):
    headers = {"Range": header} if header else {}
    return client.get(reverse(name, args=[video.pk]), headers=headers)


def body(response) -> bytes:
    """Return the complete response body."""

    async def read() -> bytes:
        return b"".join([block async for block in response])

    return async_to_sync(read)()


def test_the_whole_file_comes_with_its_length_and_type(client, video):
    client.force_login(video.user)
    response = fetch(client, video)
    assert (response.status_code, body(response)) == (200, CONTENT)
    assert response["Content-Type"] == "video/mp4"
    assert response["Accept-Ranges"] == "bytes"
    assert response["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", CONTENT),
        ("bytes=0-0", CONTENT[:1]),
        ("bytes=100-199", CONTENT[100:200]),
        ("bytes=-5", CONTENT[-5:]),
        (f"bytes=0-{len(CONTENT) * 2}", CONTENT),
        (f"bytes=-{len(CONTENT) * 2}", CONTENT),
        (f"bytes={len(CONTENT) - 1}-", CONTENT[-1:]),
    ],
)
def test_a_range_comes_exactly_as_asked(client, video, header, expected):
    client.force_login(video.user)
    response = fetch(client, video, header)
    assert response.status_code == 206
    assert body(response) == expected
    assert response["Content-Length"] == str(len(expected))
    assert response["Content-Range"].endswith(f"/{len(CONTENT)}")


def test_a_browser_asks_each_time_and_is_told_that_its_copy_is_good(client, video):
    client.force_login(video.user)
    first = fetch(client, video)
    assert first["Cache-Control"] == "private, no-cache"
    again = client.get(reverse("gallery:file", args=[video.pk]), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == "private, no-cache"


def test_a_copy_is_known_by_its_date_too(client, video):
    client.force_login(video.user)
    address, first = reverse("gallery:file", args=[video.pk]), fetch(client, video)
    assert client.get(address, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 304
    assert client.get(address, headers={"If-Unmodified-Since": first["Last-Modified"]}).status_code == 200


def test_a_copy_is_no_longer_good_for_whoever_may_no_longer_see_the_video(client, video, other_user):
    client.force_login(video.user)
    etag = fetch(client, video)["ETag"]
    client.force_login(other_user)
    address = reverse("gallery:file", args=[video.pk])
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 404


def test_a_file_that_was_written_anew_is_sent_anew_and_whole(client, video):
    client.force_login(video.user)
    etag = fetch(client, video)["ETag"]
    with storages["default"].open(video.video_file.name, "wb") as stream:
        stream.write(CONTENT[::-1] + b"more")
    address = reverse("gallery:file", args=[video.pk])
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200
    rest = client.get(address, headers={"If-Range": etag, "Range": "bytes=10-19"})
    assert (rest.status_code, body(rest)) == (200, CONTENT[::-1] + b"more")
    rest = client.get(address, headers={"If-Range": rest["ETag"], "Range": "bytes=10-19"})
    assert (rest.status_code, len(body(rest))) == (206, 10)


@pytest.mark.parametrize("header", [f"bytes={len(CONTENT)}-", "bytes=10-5", "bytes=-0", f"bytes={10**17}-"])
def test_a_range_outside_the_file_is_refused_with_its_size(client, video, header):
    client.force_login(video.user)
    response = fetch(client, video, header)
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "header", ["bytes=", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=" + "9" * 99 + "-"]
)
def test_a_range_that_is_not_understood_gives_the_whole_file(client, video, header):
    client.force_login(video.user)
    assert fetch(client, video, header).status_code == 200


def test_a_download_is_named_after_its_title(client, video):
    video.title = "A red heart / rising"
    video.save()
    client.force_login(video.user)
    response = fetch(client, video, name="gallery:download")
    assert response["Content-Disposition"] == 'attachment; filename="a-red-heart-rising.mp4"'


@pytest.mark.parametrize("name", ["file", "download", "poster", "preview", "thumbnail", "video"])
def test_somebody_elses_video_does_not_exist(client, video, other_user, name):
    client.force_login(other_user)
    assert fetch(client, video, name=f"gallery:{name}").status_code == 404


@pytest.mark.parametrize("name", ["file", "download", "poster", "preview", "thumbnail"])
def test_who_is_not_signed_in_finds_no_file_of_a_private_video(client, video, name):
    assert fetch(client, video, name=f"gallery:{name}").status_code == 404


def test_a_card_of_an_old_video_shows_the_poster(client, video):
    video.poster_file = storages["default"].save("videos/1/poster.webp", ContentFile(b"poster"))
    video.thumbnail_file = ""
    video.save()
    client.force_login(video.user)
    assert body(fetch(client, video, name="gallery:thumbnail")) == b"poster"


def test_a_file_that_is_gone_answers_404(client, video):
    storages["default"].delete(video.video_file.name)
    client.force_login(video.user)
    assert fetch(client, video).status_code == 404


@pytest.mark.parametrize("name", ["file", "download", "poster", "preview", "thumbnail", "video", "settings"])
def test_what_is_in_the_trash_is_nowhere_not_even_for_its_owner(client, video, name):
    client.force_login(video.user)
    client.post(reverse("gallery:delete", args=[video.pk]))
    assert fetch(client, video, name=f"gallery:{name}").status_code == 404


def test_somebody_else_cannot_delete_it(client, video, other_user):
    client.force_login(other_user)
    assert client.post(reverse("gallery:delete", args=[video.pk])).status_code == 404
    assert storages["default"].exists(video.video_file.name)


@pytest.mark.parametrize("name", ["", None])
@pytest.mark.parametrize("delivery", ["redirect", "site"])
def test_a_file_that_was_never_stored_answers_404_wherever_files_are(rf, settings, delivery, name):
    settings.S3_DELIVERY = delivery
    with pytest.raises(Http404):
        serve(rf.get("/"), name)


def test_a_storage_that_browsers_can_reach_sends_the_file_itself(client, video, settings):
    client.force_login(video.user)
    settings.S3_DELIVERY = "redirect"
    response = fetch(client, video)
    on_s3 = not isinstance(storages["default"], FileSystemStorage)
    assert response.status_code == (302 if on_s3 else 200)
    assert not on_s3 or "X-Amz-Signature" in response["Location"] or "Signature" in response["Location"]
