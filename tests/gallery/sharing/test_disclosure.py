"""Owners choose what others read of a shared video. What they hide is in no answer that anybody else gets."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone

from auravideo.core.media.containers import GiveUpError
from auravideo.core.media.video_metadata import read_settings, settings_for, without
from gallery.models import SearchDoc, Visibility
from gallery.models.search import PUBLIC
from gallery.sharing import services
from tests.factories import UserFactory, VideoFactory, a_moderator, a_picture, a_request
from tests.gallery.sharing.test_watching import body
from workers.media.video import encode

pytestmark = pytest.mark.django_db

HIDDEN = dict.fromkeys(("shows_prompt", "shows_negative_prompt", "shows_seed"), False)
PROMPT, NEGATIVE, SEED = "a quagga gallops through xanthic fog", "zorilla, smeared", 918273645
SECRETS = ("quagga", "xanthic", "zorilla", str(SEED))
REQUEST = a_request(prompt=PROMPT, negative_prompt=NEGATIVE, seed=SEED)


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> dict[str, bytes]:
    """Return a real file of each format, with its settings in it."""
    folder, frames = tmp_path_factory.mktemp("clips"), np.zeros((3, 64, 64, 3), np.uint8)
    made = {}
    for format in ("mp4", "webm", "gif"):
        request = {**REQUEST, "format": format}
        encode(frames, folder / f"clip.{format}", fps=8, format=format, metadata=settings_for(request))
        made[format] = (folder / f"clip.{format}").read_bytes()
    return made


@pytest.fixture(params=["mp4", "webm", "gif"])
def video(request, user, clips):
    return shared(user, request.param, clips[request.param])


def shared(user, format: str, content: bytes):
    """Return a public video that also has a link, with a real file."""
    contents = {"video": content, "poster": a_picture(), "preview": a_picture(), "thumbnail": a_picture()}
    names = {
        f"{kind}_file": storages["default"].save(
            f"videos/1/{kind}.{format if kind == 'video' else 'webp'}", ContentFile(content)
        )
        for kind, content in contents.items()
    }
    video = VideoFactory(user=user, title=PROMPT, request={**REQUEST, "format": format}, width=64, height=64, **names)
    services.set_visibility(video, Visibility.UNLISTED)
    services.set_visibility(video, Visibility.PUBLIC)
    return video


def addresses(video) -> list[str]:
    """Return every address of the site that takes this video's ID or token, or lists or finds public videos."""
    found = [
        reverse("gallery:explore"),
        *(f"{reverse('gallery:explore')}?q={word}" for word in SECRETS),
        f"{reverse('gallery:explore')}?sort=liked",
        reverse("gallery:profile", args=[video.user.username]),
        *(f"{reverse('generation:create')}?{key}" for key in (f"video={video.pk}", f"share={video.share_token}")),
        f"{reverse('generation:create')}?video={video.pk}&quality=standard",
        f"{reverse('gallery:report-sent')}?video={video.pk}",
    ]
    for page in ("gallery:video", "gallery:shared"):
        key = video.pk if page == "gallery:video" else video.share_token
        found.append(f"{reverse('gallery:oembed')}?url=http://testserver{reverse(page, args=[key])}")
    names = [name for name in get_resolver("gallery.urls").reverse_dict if isinstance(name, str)]
    for name in names:
        for arguments in ({"video_id": video.pk}, {"token": video.share_token}):
            try:
                found.append(reverse(f"gallery:{name}", kwargs=arguments))
            except NoReverseMatch:
                continue
    assert len(found) > 30
    return found


def said(response) -> str:
    content = body(response) if response.streaming else response.content
    return content.decode("latin-1") + str(response.headers)


def leaks(client, video) -> dict[str, list[str]]:
    """Return the secrets that each address reveals, except in the search field where the reader typed them."""
    found = {}
    for address in addresses(video):
        text = said(client.get(address))
        asked = address.partition("?q=")[2]
        words = [word for word in SECRETS if word in text and word != asked]
        if words:
            found[address] = words
    return found


@pytest.fixture(params=["anonymous", "stranger"])
def reader(request, client):
    if request.param == "stranger":
        client.force_login(UserFactory())
    return client


def test_by_default_others_read_everything(reader, video):
    found = leaks(reader, video)
    assert {"quagga", "zorilla", str(SEED)} <= set(found[reverse("gallery:video", args=[video.pk])])
    assert "quagga" in said(reader.get(reverse("gallery:explore") + "?q=xanthic"))


def test_what_is_hidden_is_in_no_answer(reader, video):
    services.disclose(video, HIDDEN)
    assert leaks(reader, video) == {}


@pytest.mark.parametrize("column", HIDDEN)
def test_each_can_be_hidden_alone(client, video, column):
    services.disclose(video, {**dict.fromkeys(HIDDEN, True), column: False})
    text = said(client.get(reverse("gallery:video", args=[video.pk])))
    file = io.BytesIO(body(client.get(reverse("gallery:file", args=[video.pk]))))
    fields = {"shows_prompt": "prompt", "shows_negative_prompt": "negative_prompt", "shows_seed": "seed"}
    secrets = {"shows_prompt": "quagga", "shows_negative_prompt": "zorilla", "shows_seed": str(SEED)}
    for each, secret in secrets.items():
        assert (secret in text) == (each != column)
    assert read_settings(file)["request"].keys() == {**REQUEST, "format": ""}.keys() - {fields[column]}


@pytest.mark.parametrize("who", ["owner", "moderator"])
def test_the_owner_and_moderators_keep_everything(client, video, who):
    services.disclose(video, HIDDEN)
    client.force_login(video.user if who == "owner" else a_moderator())
    file = body(client.get(reverse("gallery:file", args=[video.pk])))
    assert read_settings(io.BytesIO(file))["request"]["prompt"] == PROMPT
    assert "quagga" in client.get(reverse("gallery:download", args=[video.pk])).headers["Content-Disposition"]
    if who == "owner":
        assert "quagga" in said(client.get(reverse("gallery:library") + "?q=quagga"))
        assert "quagga" in said(client.get(f"{reverse('generation:create')}?video={video.pk}"))


def test_the_file_without_its_settings_still_plays_and_has_its_length(client, video, clips, tmp_path):
    import av

    services.disclose(video, HIDDEN)
    response = client.get(reverse("gallery:file", args=[video.pk]))
    file = body(response)
    assert len(file) == len(clips[video.format]) == int(response["Content-Length"])
    with av.open(io.BytesIO(file)) as container:
        assert len(list(container.decode(video=0))) == 3


def test_every_byte_range_is_without_them(client, video):
    services.disclose(video, HIDDEN)
    address = reverse("gallery:file", args=[video.pk])
    whole = client.get(address)
    content = body(whole)
    pieces = b""
    for start in range(0, len(content), 101):
        part = client.get(address, headers={"Range": f"bytes={start}-{start + 100}", "If-Range": whole["ETag"]})
        assert part.status_code == 206
        pieces += body(part)
    assert pieces == content


def test_on_s3_others_are_not_sent_to_the_storage_for_a_file_that_says_too_much(on_s3, settings, client, user, clips):
    settings.S3_DELIVERY = "redirect"
    video = shared(user, "mp4", clips["mp4"])
    address = reverse("gallery:file", args=[video.pk])
    assert client.get(address).status_code == 302
    services.disclose(video, HIDDEN)
    file = body(client.get(address))
    assert read_settings(io.BytesIO(file))["request"].keys() == REQUEST.keys() - {"prompt", "negative_prompt", "seed"}
    assert body(client.get(address, headers={"Range": "bytes=100-4999"})) == file[100:5000]
    client.force_login(video.user)
    assert client.get(address).status_code == 302


def test_a_browser_that_kept_the_whole_file_fetches_it_anew(client, video):
    address = reverse("gallery:file", args=[video.pk])
    before = client.get(address)["ETag"]
    services.disclose(video, HIDDEN)
    answer = client.get(address, headers={"If-None-Match": before})
    assert (answer.status_code, answer["ETag"] != before) == (200, True)
    assert client.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_a_file_whose_settings_cannot_be_found_is_not_given_away(client, video):
    path = Path(storages["default"].path(video.video_file.name))
    path.write_bytes(path.read_bytes()[:-200] if video.format != "gif" else path.read_bytes()[:800])
    services.disclose(video, HIDDEN)
    if video.format == "gif":  # its comment is whole, the rest is a picture that ends early
        assert "quagga" not in said(client.get(reverse("gallery:file", args=[video.pk])))
        return
    assert client.get(reverse("gallery:file", args=[video.pk])).status_code == 404


def test_a_damaged_container_is_not_searched_to_its_end(clips):
    with pytest.raises(GiveUpError):
        without(io.BytesIO(clips["mp4"][:-100]), ["prompt"])


def test_a_title_of_ones_own_is_shown_and_found_and_one_from_the_prompt_is_not(client, user):
    video = VideoFactory(user=user, title="My best day", request=REQUEST)
    services.set_visibility(video, Visibility.PUBLIC)
    services.disclose(video, HIDDEN)
    assert "My best day" in said(client.get(reverse("gallery:explore") + "?q=best"))
    for title in (PROMPT, PROMPT[:20] + "…", PROMPT.upper(), ""):
        video.title = title
        assert video.disclosed.title == "Untitled"
    assert video.disclosed.caption == "Untitled"


def test_search_follows_the_choice_both_ways(user):
    video = VideoFactory(user=user, request=REQUEST, title="A title")
    services.set_visibility(video, Visibility.PUBLIC)
    words = SearchDoc.objects.get(video=video, scope=PUBLIC)
    for shown in (False, True, False):
        assert services.disclose(video, {**HIDDEN, "shows_prompt": shown}) == (shown or "quagga" in words.text)
        words.refresh_from_db()
        assert ("quagga" in words.text) == shown
    assert "quagga" in SearchDoc.objects.exclude(scope=PUBLIC).get(video=video).text


def test_the_choice_comes_with_sharing_and_is_remembered(client, user):
    video = VideoFactory(user=user, request=REQUEST)
    client.force_login(user)
    address = reverse("gallery:visibility", args=[video.pk])
    client.post(address, {"visibility": "public", "chosen": "1", "shows_seed": "on"})
    video.refresh_from_db()
    assert (video.visibility, video.shows_prompt, video.shows_negative_prompt, video.shows_seed) == (
        "public", False, False, True,
    )  # fmt: skip
    client.post(address, {"visibility": "private", "chosen": "1", "shows_seed": "on"})
    client.post(address, {"visibility": "unlisted"})
    video.refresh_from_db()
    assert (video.visibility, video.shows_prompt, video.shows_seed) == ("unlisted", False, True)


def test_changing_the_choice_alone_says_so(client, user):
    video = VideoFactory(user=user, visibility=Visibility.PUBLIC, published_at=timezone.now())
    client.force_login(user)
    address = reverse("gallery:visibility", args=[video.pk])
    answer = client.post(address, {"visibility": "public", "chosen": "1"}, headers={"HX-Request": "true"})
    assert "Saved what others can read." in answer.text


def test_only_the_owner_can_choose(client, video):
    client.force_login(UserFactory())
    answer = client.post(reverse("gallery:visibility", args=[video.pk]), {"visibility": "public", "chosen": "1"})
    assert answer.status_code == 404
    video.refresh_from_db()
    assert video.shows_prompt


def test_a_comment_that_is_not_ours_is_emptied(tmp_path):
    path = tmp_path / "clip.mp4"
    encode(np.zeros((3, 64, 64, 3), np.uint8), path, fps=8, format="mp4", metadata={"other": "a quagga"})
    ((_start, patch),) = without(io.BytesIO(path.read_bytes()), ["prompt"])
    assert patch == b" " * len(json.dumps({"other": "a quagga"}, separators=(",", ":")))
