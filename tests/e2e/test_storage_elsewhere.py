"""Videos stored in S3: pages load them from there, and the CSP allows no more than that."""

import boto3
import pytest
from moto.server import ThreadedMotoServer
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.seeded import SeededSite

pytestmark = pytest.mark.e2e

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def site_on_s3(tmp_path_factory):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    boto3.client("s3", endpoint_url=endpoint, **KEYS).create_bucket(Bucket="videos")
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


def test_what_is_deleted_is_gone_from_the_storage_after_its_time(browser, site_on_s3):
    site, endpoint = site_on_s3
    stored = boto3.resource("s3", endpoint_url=endpoint, **KEYS).Bucket("videos").objects
    video, purge = site.videos["gif"], "from gallery.lifecycle import purge_trash; print(purge_trash())"
    ask = f"from gallery.models import Video; print(Video.objects.get(pk={video!r}).job_id)"
    folder = f"videos/{site.python(ask)}/"
    assert len(list(stored.filter(Prefix=folder))) == 4
    with open_page(browser, site, storage_state=site.sign_in(browser, "owner")) as page:
        page.goto(f"/videos/{video}/")
        page.get_by_role("main").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("link", name="Trash").click()
        assert site.python(purge) == "True"
        assert len(list(stored.filter(Prefix=folder))) == 4, "it can still be had back"
        page.locator(".deleted__one", has=page.locator(f'[formaction*="{video}"]')).get_by_role(
            "button", name="Delete now"
        ).click()
        expect(page.locator(".messages")).to_contain_text("deleted forever")
    assert site.python(purge) == "True"
    assert list(stored.filter(Prefix=folder)) == []
    assert site.rows("SELECT count(*) FROM gallery_video WHERE id = ?", video.replace("-", "")) == [(0,)]
    assert len(list(stored.all())) > 0
