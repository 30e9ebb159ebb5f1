"""Browsers get files on S3 from a signed address of the storage."""

import time
import urllib.error
import urllib.request
from email.message import Message

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from auravideo.core.file_serving import serve
from tests.conftest import s3_storage
from tests.rigs.faulty_wire import FaultyWire

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
def public(settings, use_s3, s3_server, s3_bucket):
    """Store a video on S3, and let browsers reach the store at an address of its own, through a proxy."""
    wire = FaultyWire(s3_server.port).start()
    use_s3()
    s3 = s3_storage(s3_server, s3_bucket, endpoint_url=wire.endpoint, querystring_expire=60)
    settings.STORAGES = {**settings.STORAGES, "public": s3}
    storages["default"].save("videos/1/video.mp4", ContentFile(CONTENT))
    yield wire
    wire.stop()


def load(url: str, **headers: str) -> tuple[int, bytes, Message]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def signed(rf, name: str = "videos/1/video.mp4", **options) -> str:
    response = serve(rf.get("/"), name, **options)
    assert response.status_code == 302
    return response["Location"]


def test_on_s3_a_signed_url_plays_seeks_and_downloads(rf, public):
    url = signed(rf)
    assert url.startswith(f"{public.endpoint}/")
    status, body, headers = load(url)
    assert (status, body, headers["Content-Type"]) == (200, CONTENT, "video/mp4")
    status, body, headers = load(url, Range="bytes=100-199")
    assert (status, body) == (206, CONTENT[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(CONTENT)}"
    _status, _body, headers = load(signed(rf, download_as="a red fox.mp4"))
    assert headers["Content-Disposition"] == 'attachment; filename="a red fox.mp4"'


def test_on_s3_a_signed_url_opens_one_file_for_a_minute_and_nothing_else(rf, public, s3_bucket):
    storages["default"].save("videos/2/video.mp4", ContentFile(b"secret"))
    url = signed(rf)
    assert load(url.replace("videos/1/", "videos/2/"))[0] == 403
    assert load(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"))[0] == 403
    assert load(url.partition("?")[0])[0] == 403
    assert load(f"{public.endpoint}/{s3_bucket}?list-type=2")[0] == 403
    short = storages["public"].url("videos/1/video.mp4", expire=1)
    time.sleep(2.1)
    assert load(short)[0] == 403


def test_signing_asks_nobody(rf, public):
    url = signed(rf)
    public.stop()
    assert signed(rf).partition("X-Amz-Date")[0] == url.partition("X-Amz-Date")[0]
    public.start()
