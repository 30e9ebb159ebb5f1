"""Site-wide URLs. The apps own everything below their own prefixes."""

from django.contrib import admin
from django.urls import include, path

from accounts.joining.views import SigningUp
from accounts.security.views import elsewhere
from accounts.views import set_language
from auravideo import views
from auravideo.health import views as health
from auravideo.well_known.robots_txt import robots_txt
from auravideo.well_known.security_txt import security_txt
from gallery.moderation.overview import overview
from generation.inbox import views as inbox_views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("", include("generation.urls")),
    path("", include("gallery.urls")),
    path("", include("accounts.urls")),
    path("accounts/signup/", SigningUp.as_view(), name="account_signup"),  # in the place of allauth's
    path("accounts/sessions/", elsewhere, name="usersessions_list"),  # likewise
    path("accounts/", include("allauth.urls")),
    path("language/setlang/", set_language, name="set_language"),
    path("admin/overview/", admin.site.admin_view(overview), name="admin-overview"),
    path("admin/inbox/", admin.site.admin_view(inbox_views.inbox), name="admin-inbox"),
    path("admin/inbox/approve/", admin.site.admin_view(inbox_views.approve), name="admin-inbox-approve"),
    path("admin/inbox/withdraw/", admin.site.admin_view(inbox_views.withdraw), name="admin-inbox-withdraw"),
    path("admin/", admin.site.urls),
    path("manifest.webmanifest", views.manifest, name="manifest"),
    path("service-worker.js", views.service_worker, name="service-worker"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("robots.txt", robots_txt, name="robots-txt"),
    path(".well-known/security.txt", security_txt, name="security-txt"),
    # Answered by health.middleware, before the host is checked; here so that they have a name.
    path("healthz", health.ready, name="healthz"),
    path("healthz/live", health.live, name="healthz-live"),
]

handler403 = "auravideo.views.forbidden"
handler429 = "auravideo.views.too_many"
handler500 = "auravideo.refusals.unavailable.server_error"
