from django.urls import path

from gallery.compare import views

urlpatterns = [
    path("videos/compare/", views.compare, name="compare"),
    path("videos/compare/keep/", views.keep, name="keep"),
    path("videos/<uuid:video_id>/more/", views.more_like_this, name="more-like-this"),
]
