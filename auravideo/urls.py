"""The addresses of the site. The apps own everything below their own prefixes."""

from django.contrib import admin
from django.urls import include, path

from auravideo import views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("", include("generation.urls")),
    path("", include("gallery.urls")),
    path("accounts/", include("allauth.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
]
