"""URLs of sharing. The converters reject malformed tokens and usernames without touching the database."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from gallery.files import views as file_views
from gallery.sharing import embed_views, like_views, owner_views, views


class Token(StringConverter):
    regex = "[A-Za-z0-9_-]{43}"


class UserName(StringConverter):
    regex = r"[\w.+-]{1,150}"


register_converter(Token, "token")
register_converter(UserName, "username")

urlpatterns = [
    path("explore/", views.explore, name="explore"),
    path("u/<username:username>/", views.profile, name="profile"),
    path("videos/<uuid:video_id>/visibility/", owner_views.visibility, name="visibility"),
    path("videos/<uuid:video_id>/check/", owner_views.check, name="share-check"),
    path("videos/<uuid:video_id>/revoke/", owner_views.revoke, name="revoke"),
    path("videos/<uuid:video_id>/tags/", owner_views.tags, name="tags"),
    path("videos/<uuid:video_id>/like/", like_views.like, name="like"),
    path("s/<token:token>/", views.shared, name="shared"),
    path("s/<token:token>/like/", like_views.shared_like, name="shared-like"),
    path("s/<token:token>/file/", file_views.file, name="shared-file"),
    path("s/<token:token>/download/", file_views.download, name="shared-download"),
    path("s/<token:token>/poster/", file_views.poster, name="shared-poster"),
    path("s/<token:token>/preview/", file_views.preview, name="shared-preview"),
    path("s/<token:token>/thumbnail/", file_views.thumbnail, name="shared-thumbnail"),
    path("s/<token:token>/cover.jpg", file_views.cover, name="shared-cover"),
    path("s/<token:token>/embed/", embed_views.shared_embed, name="shared-embed"),
    path("embed/<uuid:video_id>/", embed_views.embed, name="embed"),
    path("oembed", embed_views.oembed, name="oembed"),
]
