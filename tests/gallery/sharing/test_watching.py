"""The pages where others watch a video, the files behind a link, likes, and embeds."""

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from gallery.models import Safety, Video, Visibility
from gallery.sharing import previews, services
from tests.factories import VideoFactory, a_picture, a_request

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * 64
FILES = ("file", "download", "poster", "preview", "thumbnail")


@pytest.fixture
def video(user):
    names = {
        f"{kind}_file": storages["default"].save(f"videos/1/{kind}.{ending}", ContentFile(CONTENT))
        for kind, ending in (("video", "mp4"), ("poster", "webp"), ("preview", "webp"), ("thumbnail", "webp"))
    }
    request = a_request(prompt="a paper boat <on> a lake", negative_prompt="blur", seed=4711)
    return VideoFactory(user=user, title="Boat & lake", request=request, width=640, height=360, **names)


@pytest.fixture
def poster(video):
    """Replace the bytes of the poster by a picture that is 16:9."""
    path = Path(storages["default"].path(video.poster_file.name))
    path.write_bytes(a_picture())
    return path


@pytest.fixture
def public(video):
    services.set_visibility(video, Visibility.PUBLIC)
    return video


@pytest.fixture
def unlisted(video):
    services.set_visibility(video, Visibility.UNLISTED)
    return video


def page_of(video) -> str:
    return reverse("gallery:video", args=[video.pk])


def link_of(video) -> str:
    return reverse("gallery:shared", args=[video.share_token])


def body(response) -> bytes:
    async def read() -> bytes:
        return b"".join([block async for block in response])

    return async_to_sync(read)()


class Head(HTMLParser):
    """The meta properties and links of a page, with every URL in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.addresses: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        if tag == "meta" and "content" in given:
            self.meta[given.get("property") or given.get("name", "")] = given["content"]
        if tag == "link":
            self.links[given.get("type", given["rel"])] = given["href"]
        self.addresses |= {given[name] for name in ("href", "src", "poster", "action") if given.get(name)}


# --- The pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed_in", [False, True])
def test_everyone_sees_a_public_video_and_its_settings(client, public, other_user, signed_in):
    if signed_in:
        client.force_login(other_user)
    services.set_tags(public, ("lake", "paper"))
    response = client.get(page_of(public))
    html = response.content.decode()
    assert response.status_code == 200
    for text in ("Boat &amp; lake", "a paper boat &lt;on&gt; a lake", "blur", "4711", "640 × 360", "#lake", "#paper"):
        assert text in html
    assert reverse("gallery:profile", args=[public.user.username]) in html
    assert f"{reverse('generation:create')}?video={public.pk}" in html
    assert "private" in response["Cache-Control"]


def test_its_owner_sees_their_own_page_with_the_panel(client, public):
    client.force_login(public.user)
    assert 'id="sharing"' in client.get(page_of(public)).content.decode()


def test_a_private_one_is_no_page_for_others(client, video, other_user):
    assert client.get(page_of(video)).status_code == 404
    client.force_login(other_user)
    assert client.get(page_of(video)).status_code == 404


def test_anyone_with_the_link_can_watch_and_only_by_the_link(client, unlisted):
    response = client.get(link_of(unlisted))
    html = response.content.decode()
    assert response.status_code == 200
    assert "Boat &amp; lake" in html
    assert str(unlisted.pk) not in html
    assert reverse("gallery:profile", args=[unlisted.user.username]) not in html
    assert f"{reverse('generation:create')}?share={unlisted.share_token}" in html
    for name in FILES:
        served = client.get(reverse(f"gallery:shared-{name}", args=[unlisted.share_token]))
        assert (served.status_code, body(served)) == (200, CONTENT), name
    assert client.get(page_of(unlisted)).status_code == 404
    assert client.get(reverse("gallery:file", args=[unlisted.pk])).status_code == 404


def test_a_link_stays_out_of_search_engines_caches_and_other_sites_logs(client, unlisted):
    response = client.get(link_of(unlisted))
    assert "noindex" in response["X-Robots-Tag"]
    assert "private" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"
    assert "noindex" in client.get(reverse("gallery:shared-file", args=[unlisted.share_token]))["X-Robots-Tag"]


def test_the_files_behind_a_link_come_by_byte_ranges(client, unlisted):
    address = reverse("gallery:shared-file", args=[unlisted.share_token])
    response = client.get(address, headers={"Range": "bytes=100-199"})
    assert (response.status_code, body(response)) == (206, CONTENT[100:200])


def test_a_downloaded_file_is_named_after_the_title(client, unlisted):
    response = client.get(reverse("gallery:shared-download", args=[unlisted.share_token]))
    assert response["Content-Disposition"] == 'attachment; filename="boat-lake.mp4"'


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_page_takes_six_queries_at_most(client, public, other_user, signed_in, django_assert_max_num_queries):
    services.set_tags(public, ("lake", "paper"))
    if signed_in:
        client.force_login(other_user)
    with django_assert_max_num_queries(6):
        assert client.get(page_of(public)).status_code == 200


GONE = {
    "revoked": services.revoke_link,
    "private": lambda video: services.set_visibility(video, Visibility.PRIVATE),
    "in the trash": lambda video: Video.objects.update(deleted_at=timezone.now()),
    "hidden by moderation": lambda video: Video.objects.update(hidden_at=timezone.now()),
    "refused by the safety check": lambda video: Video.objects.update(safety=Safety.REFUSED),
    "of somebody who is suspended": lambda video: type(video.user).objects.update(is_active=False),
    "deleted": lambda video: video.delete(),
}


@pytest.mark.parametrize("make_gone", GONE.values(), ids=GONE)
def test_a_link_that_shows_nothing_answers_404_at_every_address(client, unlisted, make_gone):
    token = unlisted.share_token
    addresses = [link_of(unlisted), *(reverse(f"gallery:shared-{name}", args=[token]) for name in (*FILES, "embed"))]
    addresses.append(oembed_address(f"http://testserver{link_of(unlisted)}"))
    assert {client.get(address).status_code for address in addresses} == {200}
    make_gone(unlisted)
    assert {client.get(address).status_code for address in addresses} == {404}
    assert client.post(reverse("gallery:shared-like", args=[token]), {"liked": "yes"}).status_code == 404


@pytest.mark.parametrize("make_gone", list(GONE.values())[1:], ids=list(GONE)[1:])
def test_a_formerly_public_video_answers_404_at_every_address(client, public, make_gone):
    addresses = [page_of(public), *(reverse(f"gallery:{name}", args=[public.pk]) for name in (*FILES, "embed"))]
    addresses.append(oembed_address(f"http://testserver{page_of(public)}"))
    assert {client.get(address).status_code for address in addresses} == {200}
    like = reverse("gallery:like", args=[public.pk])
    make_gone(public)
    assert {client.get(address).status_code for address in addresses} == {404}
    assert client.post(like, {"liked": "yes"}).status_code == 404


@pytest.mark.parametrize("token", ["x", "x" * 43, "x" * 44, "x" * 42 + "%00"])
def test_a_guess_finds_nothing(client, unlisted, token):
    assert client.get(f"/s/{token}/").status_code == 404


# --- Create from this -------------------------------------------------------------------------------------------------


def test_anyone_with_the_link_can_create_from_it_until_it_is_revoked(client, unlisted, other_user):
    client.force_login(other_user)
    address = f"{reverse('generation:create')}?share={unlisted.share_token}"
    assert "a paper boat &lt;on&gt; a lake" in client.get(address).content.decode()
    services.revoke_link(unlisted)
    assert "a paper boat" not in client.get(address).content.decode()


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "%00", "%F0%9F%98%80"])
def test_creating_from_an_invalid_link_gives_an_empty_form(client, user, token):
    client.force_login(user)
    assert client.get(f"{reverse('generation:create')}?share={token}").status_code == 200


# --- Likes ------------------------------------------------------------------------------------------------------------


def like(client, video, liked="yes", headers=None, **fields):
    return client.post(reverse("gallery:like", args=[video.pk]), {"liked": liked, **fields}, headers=headers or {})


def test_liking_leads_back_to_where_it_was_pressed(client, public, other_user):
    client.force_login(other_user)
    assert like(client, public, next="/explore/?sort=liked").url == "/explore/?sort=liked"
    assert Video.objects.get().likes == 1
    for elsewhere in ("", "https://example.org/", "//example.org", "javascript:x"):
        assert like(client, public, next=elsewhere).url == page_of(public)
    assert Video.objects.get().likes == 1
    like(client, public, liked="no")
    assert Video.objects.get().likes == 0


def test_with_htmx_the_button_comes_back_as_it_is_now(client, public, other_user):
    client.force_login(other_user)
    pressed = like(client, public, headers={"HX-Request": "true"}).content.decode()
    assert 'aria-pressed="true"' in pressed
    assert 'value="no"' in pressed
    assert "Like: 1" in pressed
    assert 'aria-pressed="false"' in like(client, public, liked="no", headers={"HX-Request": "true"}).content.decode()


def test_anonymous_visitors_sign_in_and_come_back(client, public):
    wanted = f"{reverse('account_login')}?next={page_of(public)}"
    assert like(client, public).url == wanted
    assert like(client, public, headers={"HX-Request": "true"})["HX-Redirect"] == wanted
    assert Video.objects.get().likes == 0


def test_behind_a_link_one_may_like_too(client, unlisted, other_user):
    client.force_login(other_user)
    address = reverse("gallery:shared-like", args=[unlisted.share_token])
    assert client.post(address, {"liked": "yes"}).url == link_of(unlisted)
    assert Video.objects.get().likes == 1
    assert like(client, unlisted).status_code == 404


@pytest.mark.parametrize("value", ["", "maybe", "x" * 999])
def test_a_value_other_than_yes_or_no_is_rejected(client, public, other_user, value):
    client.force_login(other_user)
    assert like(client, public, liked=value).status_code == 400


# --- Link previews ----------------------------------------------------------------------------------------------------


def oembed_address(url: str, **more: object) -> str:
    from django.utils.http import urlencode

    return f"{reverse('gallery:oembed')}?{urlencode({'url': url, **more})}"


@pytest.mark.parametrize("kind", ["public", "unlisted"])
def test_a_page_says_how_it_is_previewed_with_addresses_that_work(client, request, poster, kind):
    video = request.getfixturevalue(kind)
    page = page_of(video) if kind == "public" else link_of(video)
    head = Head(client.get(page).content.decode())
    assert head.meta["og:url"] == f"http://testserver{page}"
    assert head.meta["og:title"] == head.meta["twitter:title"] == "Boat & lake"
    assert head.meta["og:description"] == "a paper boat <on> a lake"
    assert (head.meta["og:type"], head.meta["og:video:type"]) == ("video.other", "video/mp4")
    assert (head.meta["og:video:width"], head.meta["og:image:height"]) == ("640", "630")
    assert head.meta["twitter:card"] == "player"
    for name in ("og:video", "og:image", "twitter:image", "twitter:player"):
        parts = urlsplit(head.meta[name])
        assert (parts.scheme, parts.netloc) == ("http", "testserver")
        assert client.get(parts.path).status_code == 200, name
    found = client.get(head.links["application/json+oembed"])
    assert found.json()["title"] == "Boat & lake"


@pytest.mark.parametrize("kind", ["public", "unlisted"])
def test_the_picture_of_a_preview_is_a_jpeg_of_the_size_that_everyone_shows(client, request, poster, kind):
    """Messengers ignore WebP, and crop other shapes."""
    video = request.getfixturevalue(kind)
    head = Head(client.get(page_of(video) if kind == "public" else link_of(video)).content.decode())
    address = urlsplit(head.meta["og:image"]).path
    response = client.get(address)
    assert response["Content-Type"] == head.meta["og:image:type"] == "image/jpeg"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1200, 630))
    assert len(response.content) < 300_000  # WhatsApp ignores larger ones
    services.set_visibility(video, Visibility.PRIVATE)
    client.logout()
    if kind == "unlisted":
        services.revoke_link(video)
    assert client.get(address).status_code == 404


def test_the_picture_of_a_preview_takes_no_room_in_redis_which_the_queue_needs(client, public, poster, settings):
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = {"default": away}
    address = reverse("gallery:cover", args=[public.pk])
    assert client.get(address).content == client.get(address).content != b""


def test_a_picture_that_is_gone_is_not_found(client, public, poster):
    poster.unlink()
    assert client.get(reverse("gallery:cover", args=[public.pk])).status_code == 404


@pytest.mark.parametrize("page", ["home", "explore", "profile"])
def test_pages_of_many_clips_are_previewed_too(client, public, page):
    address = {
        "home": "/", "explore": reverse("gallery:explore"), "profile": reverse("gallery:profile", args=[public.user]),
    }[page]  # fmt: skip
    head = Head(client.get(address).content.decode())
    assert head.meta["og:url"] == f"http://testserver{address}"
    assert head.meta["og:title"] and head.meta["og:description"] and head.meta["twitter:card"]
    file = finders.find(urlsplit(head.meta["og:image"]).path.removeprefix("/static/"))
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1200, 630))


def test_a_gif_is_previewed_as_a_picture(client, user):
    name = storages["default"].save("videos/2/video.gif", ContentFile(b"gif"))
    video = VideoFactory(user=user, public=True, request=a_request(format="gif", seed=1), video_file=name)
    head = Head(client.get(page_of(video)).content.decode())
    assert head.meta["og:image:type"] == "image/jpeg"
    assert "og:video" not in head.meta


def test_oembed_gives_a_player_that_another_site_may_put_into_a_frame(client, public):
    response = client.get(oembed_address(f"http://testserver{page_of(public)}", format="json"))
    found = response.json()
    assert response["Content-Type"] == "application/json"
    assert (found["version"], found["type"]) == ("1.0", "video")
    assert (found["width"], found["height"]) == (640, 360)
    assert (found["author_name"], found["provider_name"]) == (public.user.username, "AuraVideo")
    assert (found["thumbnail_width"], found["thumbnail_height"]) == (320, 180)
    assert client.get(urlsplit(found["author_url"]).path).status_code == 200
    assert client.get(urlsplit(found["thumbnail_url"]).path).status_code == 200
    frame = Head(found["html"])
    (player,) = frame.addresses
    assert player == f"http://testserver{reverse('gallery:embed', args=[public.pk])}"
    shown = client.get(urlsplit(player).path)
    assert "frame-ancestors *" in shown["Content-Security-Policy"]
    assert "X-Frame-Options" not in shown


def test_a_title_cannot_leave_the_frame_of_the_player(client, public):
    Video.objects.update(title='"><script>alert(1)</script>')
    html = client.get(oembed_address(f"http://testserver{page_of(public)}")).json()["html"]
    assert "<script" not in html


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({"maxwidth": 320}, (320, 180)),
        ({"maxheight": 90}, (160, 90)),
        ({"maxwidth": 200, "maxheight": 300}, (200, 112)),
        ({"maxwidth": 4000}, (640, 360)),
        ({"maxwidth": 1}, (1, 1)),
        ({"maxwidth": "x", "maxheight": "-5"}, (640, 360)),
        ({"maxwidth": "0", "maxheight": "9" * 50}, (640, 360)),
    ],
)
def test_oembed_keeps_within_the_size_that_is_asked_for(client, public, limits, size):
    found = client.get(oembed_address(f"http://testserver{page_of(public)}", **limits)).json()
    assert (found["width"], found["height"]) == size
    assert f'width="{size[0]}" height="{size[1]}"' in found["html"]


def test_a_thumbnail_larger_than_asked_for_is_left_out(client, public):
    found = client.get(oembed_address(f"http://testserver{page_of(public)}", maxwidth=320)).json()
    assert found["thumbnail_width"] == 320
    found = client.get(oembed_address(f"http://testserver{page_of(public)}", maxwidth=319)).json()
    assert not [name for name in found if name.startswith("thumbnail")]


def test_oembed_speaks_json_alone(client, public):
    assert client.get(oembed_address(f"http://testserver{page_of(public)}", format="xml")).status_code == 501


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "http://testserver/",
        "http://testserver/explore/",
        "http://example.org/videos/00000000-0000-0000-0000-000000000000/",
        "http://testserver/videos/00000000-0000-0000-0000-000000000000/",
        "ftp://testserver/help/",
        "http://[",
        "http://testserver/s/" + "x" * 43 + "/",
        "x" * 9000,
    ],
)
def test_oembed_knows_nothing_of_other_addresses(client, db, url):
    assert client.get(oembed_address(url)).status_code == 404


def test_oembed_tells_nobody_of_a_private_video_not_even_its_owner(client, video):
    client.force_login(video.user)
    assert client.get(oembed_address(f"http://testserver{page_of(video)}")).status_code == 404


def test_oembed_of_a_link_names_the_link_alone(client, unlisted):
    text = client.get(oembed_address(f"http://testserver{link_of(unlisted)}")).content.decode()
    assert unlisted.share_token in text
    assert str(unlisted.pk) not in text
    assert "author_url" not in json.loads(text)
    assert client.get(oembed_address(f"http://testserver{page_of(unlisted)}")).status_code == 404


def test_the_address_of_discovery_holds_the_page(client, public):
    head = Head(client.get(page_of(public)).content.decode())
    query = parse_qs(urlsplit(head.links["application/json+oembed"]).query)
    assert query == {"url": [f"http://testserver{page_of(public)}"], "format": ["json"]}


@pytest.mark.parametrize(
    ("box", "size"), [((100, 100), (100, 56)), ((9999, 9999), (640, 360)), ((640, 1), (1, 1)), ((3, 3), (3, 1))]
)
def test_a_picture_is_fitted_and_never_enlarged(box, size):
    assert previews.fitted(640, 360, *box) == size
