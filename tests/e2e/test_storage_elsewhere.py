"""Where videos lie in S3, the page shows them from there, as far as its policy goes and no further."""

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.e2e.conftest import open_page
from tests.seeded import SeededSite

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def site_on_s3(tmp_path_factory):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="videos")
    settings = {"S3_ENDPOINT_URL": endpoint, "S3_BUCKET": "videos"}
    secrets = {"S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"}
    site = SeededSite(tmp_path_factory.mktemp("s3") / "home", **settings, **secrets).start()
    yield site, endpoint
    assert site.stop() == 0
    server.stop()


def test_videos_and_posters_come_from_the_storage(browser, site_on_s3):
    site, endpoint = site_on_s3
    with open_page(browser, site, storage_state=site.sign_in(browser, "owner")) as page:
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"/videos/{site.videos['mp4']}/")
        seconds = page.locator("video").evaluate(
            """video => new Promise((resolve, reject) => {
                video.muted = true;
                video.addEventListener('timeupdate', () => video.currentTime > 0.2 && resolve(video.duration));
                video.addEventListener('error', () => reject(new Error(video.error.message)));
                video.play().catch(reject);
            })"""
        )
        assert 0.9 < seconds < 3.1
        assert any(url.startswith(f"{endpoint}/videos/") for url in requests)
        page.goto("/videos/")
        pictures = page.locator(".card img").evaluate_all(
            "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
        )
        assert len(pictures) >= len(site.videos)
        assert all(pictures)
