"""A user's likes as personal data: counted, exported, and withdrawn with the account."""

from collections.abc import Iterable, Iterator

from django.utils.translation import ngettext

from accounts.models import User
from accounts.personal_data import Holder, Holding
from auravideo.core.zips import ZipEntry, json_list
from gallery.models import Like
from gallery.sharing import services


class LikesOfPerson(Holder):
    def summary(self, user: User) -> Iterable[Holding]:
        if count := Like.objects.filter(user=user).count():
            yield Holding(ngettext("%d like", "%d likes", count) % count)

    def export(self, user: User) -> Iterator[ZipEntry]:
        likes = Like.objects.filter(user=user).order_by("pk")
        if likes.exists():
            rows = likes.values("video_id", "created_at")
            yield json_list("likes.json", lambda: ({"video": r["video_id"], "since": r["created_at"]} for r in rows))

    def erase(self, user: User) -> Iterator[None]:
        """Remove likes one by one, so that each video's count goes down."""
        while like := Like.objects.filter(user=user).select_related("video").first():
            services.unlike(user, like.video)
            yield
