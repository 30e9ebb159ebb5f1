"""The addresses of the site. The apps own everything below their own prefixes."""

from django.contrib import admin
from django.urls import include, path

from auravideo import views

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("generation.urls")),
    path("", include("gallery.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
]
