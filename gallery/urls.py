"""URLs of the gallery. Each package has its own; file URLs are shared by everyone allowed to load the files."""

from django.urls import path

from gallery.compare.urls import urlpatterns as compare
from gallery.files import views as file_views
from gallery.library.urls import urlpatterns as library
from gallery.moderation.urls import urlpatterns as moderation
from gallery.sharing.urls import urlpatterns as sharing

app_name = "gallery"

files = [
    path("videos/<uuid:video_id>/file/", file_views.file, name="file"),
    path("videos/<uuid:video_id>/download/", file_views.download, name="download"),
    path("videos/<uuid:video_id>/poster/", file_views.poster, name="poster"),
    path("videos/<uuid:video_id>/preview/", file_views.preview, name="preview"),
    path("videos/<uuid:video_id>/thumbnail/", file_views.thumbnail, name="thumbnail"),
    path("videos/<uuid:video_id>/cover.jpg", file_views.cover, name="cover"),
]

urlpatterns = [*library, *compare, *files, *sharing, *moderation]
