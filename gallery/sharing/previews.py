"""Link previews on other sites: Open Graph and Twitter tags, and oEmbed (https://oembed.com)."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from auravideo.core.media.covers import COVER_SIZE
from auravideo.core.media.formats import CARD_BOX, CONTENT_TYPES
from gallery.models import Video
from gallery.sharing.places import Place

SITE = "AuraVideo"
DESCRIPTION_LENGTH = 300


def tags_for(request: HttpRequest, video: Video, place: Place) -> list[tuple[str, str, str]]:
    """Return (attribute, name, content) of each `<meta>` tag of a watch page."""
    absolute, told = request.build_absolute_uri, video.disclosed
    size = {"width": video.width, "height": video.height}
    file = {"og:video": absolute(place.file), "og:video:type": CONTENT_TYPES[video.format]}
    found = {
        "og:site_name": SITE,
        "og:type": "website" if video.is_gif else "video.other",
        "og:title": told.title,
        "og:description": told.caption[:DESCRIPTION_LENGTH],
        "og:url": absolute(place.page),
        **_image(absolute(place.cover), told.caption),
    }
    if not video.is_gif:
        found |= {**file, **{f"og:video:{name}": str(value) for name, value in size.items()}}
    card = {
        "twitter:card": "player",
        "twitter:title": found["og:title"],
        "twitter:description": found["og:description"],
        "twitter:image": absolute(place.cover),
        "twitter:player": absolute(place.embed),
        **{f"twitter:player:{name}": str(value) for name, value in size.items()},
    }
    return [*(("property", *pair) for pair in found.items()), *(("name", *pair) for pair in card.items())]


def tags_of_page(request: HttpRequest, title: str, description: str) -> list[tuple[str, str, str]]:
    """Return (attribute, name, content) of each `<meta>` tag of a page that shows no one clip."""
    absolute = request.build_absolute_uri
    image = absolute(static("images/cover.jpg"))
    found = {
        "og:site_name": SITE,
        "og:type": "website",
        "og:title": title,
        "og:description": description[:DESCRIPTION_LENGTH],
        "og:url": absolute(request.path),
        **_image(image, SITE),
    }
    card = {"twitter:card": "summary_large_image", "twitter:title": title, "twitter:image": image}
    return [*(("property", *pair) for pair in found.items()), *(("name", *pair) for pair in card.items())]


def _image(address: str, alt: str) -> dict[str, str]:
    width, height = (str(side) for side in COVER_SIZE)
    found = {"": address, ":type": "image/jpeg", ":width": width, ":height": height, ":alt": alt[:DESCRIPTION_LENGTH]}
    return {f"og:image{name}": value for name, value in found.items()}


def discovery(request: HttpRequest, place: Place) -> str:
    """Return the oEmbed discovery URL of the page at `place`."""
    query = urlencode({"url": request.build_absolute_uri(place.page), "format": "json"})
    return request.build_absolute_uri(f"{reverse('gallery:oembed')}?{query}")


def oembed(request: HttpRequest, video: Video, place: Place, max_width: int, max_height: int) -> dict[str, object]:
    """Return an oEmbed 1.0 response of type 'video': an iframe fitted into `max_width` x `max_height` pixels."""
    width, height = fitted(video.width, video.height, max_width, max_height)
    title = video.disclosed.title
    html = format_html(
        '<iframe src="{}" width="{}" height="{}" title="{}" loading="lazy" allow="fullscreen"></iframe>',
        request.build_absolute_uri(place.embed), width, height, title,
    )  # fmt: skip
    thumbnail = fitted(video.width, video.height, *CARD_BOX)
    found: dict[str, object] = {
        "version": "1.0",
        "type": "video",
        "title": title,
        "author_name": video.user.get_full_name(),
        "provider_name": SITE,
        "provider_url": request.build_absolute_uri("/"),
        "cache_age": 3600,
        "html": str(html),
        "width": width,
        "height": height,
    }
    if place.source == "video":
        found["author_url"] = request.build_absolute_uri(reverse("gallery:profile", args=[video.user.username]))
    if thumbnail[0] <= max_width and thumbnail[1] <= max_height:
        names = ("thumbnail_url", "thumbnail_width", "thumbnail_height")
        found |= dict(zip(names, (request.build_absolute_uri(place.thumbnail), *thumbnail), strict=True))
    return found


def fitted(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Scale a size down to fit a box, keeping its aspect ratio; never scale up."""
    scale = min(1.0, max_width / width, max_height / height)
    return max(1, int(width * scale)), max(1, int(height * scale))
