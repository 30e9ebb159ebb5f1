"""The demo's library: favourites, a title, a collection and a recently deleted video."""

from collections.abc import Mapping

from accounts.models import User
from gallery import lifecycle as gallery
from gallery.access import library_of
from gallery.library import services as library

COLLECTION = "By the sea"


def seed(people: Mapping[str, User]) -> None:
    user = people["ada"]
    videos = library_of(user)
    for word in ("star", "heart"):
        library.set_favourite(videos.filter(prompt__contains=word), True)
    for video in videos.filter(prompt__contains="bouncing"):
        library.rename(video, "Early summer, upright")
    sea = library.create_collection(user, COLLECTION)
    library.add_to_collection(sea, videos.filter(prompt__contains="sea"))
    gallery.trash(videos.filter(prompt__contains="triangle"))
