from django.urls import path

from gallery import views

app_name = "gallery"

urlpatterns = [
    path("videos/", views.library, name="library"),
    path("videos/<uuid:video_id>/", views.video, name="video"),
    path("videos/<uuid:video_id>/file/", views.file, name="file"),
    path("videos/<uuid:video_id>/download/", views.download, name="download"),
    path("videos/<uuid:video_id>/poster/", views.poster, name="poster"),
    path("videos/<uuid:video_id>/preview/", views.preview, name="preview"),
    path("videos/<uuid:video_id>/delete/", views.delete, name="delete"),
]
