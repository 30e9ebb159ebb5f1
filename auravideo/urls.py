"""The addresses of the site. The apps own everything below their own prefixes."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _

from auravideo import views

admin.site.site_header = admin.site.site_title = _("AuraVideo administration")
admin.site.index_title = _("What is on this site")

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("", include("generation.urls")),
    path("", include("gallery.urls")),
    path("accounts/", include("allauth.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("favicon.ico", views.favicon, name="favicon"),
    path("healthz", views.healthz, name="healthz"),
]
