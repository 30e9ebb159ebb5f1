from django.urls import path

from gallery.library import views

urlpatterns = [
    path("videos/", views.library, name="library"),
    path("videos/<uuid:video_id>/", views.video, name="video"),
    path("videos/<uuid:video_id>/delete/", views.delete, name="delete"),
]
