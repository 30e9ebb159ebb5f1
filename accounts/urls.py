from django.urls import path

from accounts import views
from accounts.joining import views as joining_views
from accounts.push import views as push_views
from accounts.security import views as security_views

app_name = "accounts"

urlpatterns = [
    path("settings/", views.profile, name="profile"),
    path("settings/theme/", views.set_theme, name="theme"),
    path("settings/notifications/on/", push_views.subscribe, name="push-on"),
    path("settings/notifications/off/", push_views.unsubscribe, name="push-off"),
    path("settings/security/", security_views.security, name="security"),
    path("settings/security/sessions/<int:session_id>/end/", security_views.end_session, name="end-session"),
    path("settings/sessions/end/", views.end_sessions, name="end-sessions"),
    path("settings/data/", views.data, name="data"),
    path("settings/data/download/", views.download, name="download"),
    path("settings/deactivate/", views.deactivate, name="deactivate"),
    path("settings/delete/", views.delete, name="delete"),
    path("accounts/reactivate/", views.reactivate, name="reactivate"),
    path("accounts/suspended/", views.suspended, name="suspended"),
    path("accounts/waiting/", joining_views.waiting, name="waiting"),
    path("join/<str:token>/", joining_views.join, name="join"),
]
