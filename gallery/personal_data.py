"""A user's videos as personal data: counted, exported and erased with the account."""

from collections.abc import Iterable, Iterator
from functools import partial

from django.db.models import Sum
from django.utils.translation import ngettext

from accounts.models import User
from accounts.personal_data import Holder, Holding
from auravideo.core.zips import ZipEntry, json_file, json_list, stored_file
from gallery import lifecycle
from gallery.files.views import file_stem
from gallery.models import Collection, Video


class VideosOfPerson(Holder):
    def summary(self, user: User) -> Iterable[Holding]:
        videos = Video.objects.filter(user=user)
        size = videos.aggregate(total=Sum("size"))["total"] or 0
        count = videos.count()
        yield Holding(ngettext("%d clip", "%d clips", count) % count, size)
        if collections := Collection.objects.filter(user=user).count():
            yield Holding(ngettext("%d collection", "%d collections", collections) % collections)

    def export(self, user: User) -> Iterator[ZipEntry]:
        """Yield each video as its file and its settings. One query per video: the download may take long.

        Excludes the trash: users who want those videos restore them first.
        """
        ids = list(Video.objects.kept().filter(user=user).order_by("created_at").values_list("pk", flat=True))
        for number, video_id in enumerate(ids, start=1):
            if video := Video.objects.kept().filter(pk=video_id, user=user).first():
                name = f"videos/{number:04d}-{file_stem(video)}"
                yield stored_file(f"{name}.{video.format}", video.video_file.name, video.video_file.storage)
                yield json_file(f"{name}.json", partial(_record, video))
        if collections := list(Collection.objects.filter(user=user).order_by("created_at")):
            yield json_list("collections.json", lambda: map(_collection, collections))

    def erase(self, user: User) -> Iterator[None]:
        """Erase all videos, the trash included. Collections, likes and tags go with their rows."""
        while video := Video.objects.filter(user=user).first():
            lifecycle.purge(video)
            yield


def _record(video: Video) -> dict:
    return {
        "id": video.pk,
        "title": video.title,
        "request": video.request,
        "width": video.width,
        "height": video.height,
        "frames": video.frames,
        "fps": video.fps,
        "size": video.size,
        "created": video.created_at,
        "favourite": video.favourite,
        "visibility": video.visibility,
        "safety_check": video.screening,
        "made_public": video.published_at,
    }


def _collection(collection: Collection) -> dict:
    videos = collection.items.order_by("added_at").values_list("video_id", flat=True)
    return {"name": collection.name, "created": collection.created_at, "videos": list(videos)}
