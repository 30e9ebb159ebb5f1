"""Videos stored in S3: pages load them from there, and the CSP allows no more than that."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import open_page
from tests.seeded import SeededSite

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]


@pytest.fixture(scope="module")
def bucket(s3_server):
    return s3_server.make_bucket()


@pytest.fixture(scope="module")
def site_on_s3(tmp_path_factory, s3_server, bucket):
    site = SeededSite(tmp_path_factory.mktemp("s3") / "home", **s3_server.environment(bucket)).start()
    yield site
    assert site.stop() == 0


def test_videos_and_posters_come_from_the_storage(browser, site_on_s3, s3_server, bucket):
    site = site_on_s3
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
        assert any(url.startswith(f"{s3_server.endpoint}/{bucket}/videos/") for url in requests)
        page.goto("/videos/")
        pictures = page.locator(".card img").evaluate_all(
            "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
        )
        assert len(pictures) >= len(site.videos)
        assert all(pictures)


def test_what_is_deleted_is_gone_from_the_storage_after_its_time(browser, site_on_s3, s3_server, bucket):
    site, client = site_on_s3, s3_server.client()
    stored = lambda prefix="": client.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"]  # noqa: E731
    video, purge = site.videos["gif"], "from gallery.lifecycle import purge_trash; print(purge_trash())"
    ask = f"from gallery.models import Video; print(Video.objects.get(pk={video!r}).job_id)"
    folder = f"videos/{site.python(ask)}/"
    assert stored(folder) == 4
    with open_page(browser, site, storage_state=site.sign_in(browser, "owner")) as page:
        page.goto(f"/videos/{video}/")
        page.get_by_role("main").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("link", name="Trash").click()
        assert site.python(purge) == "True"
        assert stored(folder) == 4, "it can still be restored"
        page.locator(".deleted__one", has=page.locator(f'[formaction*="{video}"]')).get_by_role(
            "button", name="Delete now"
        ).click()
        expect(page.locator(".messages")).to_contain_text("deleted forever")
    assert site.python(purge) == "True"
    assert stored(folder) == 0
    assert site.rows("SELECT count(*) FROM gallery_video WHERE id = ?", video.replace("-", "")) == [(0,)]
    assert stored() > 0
