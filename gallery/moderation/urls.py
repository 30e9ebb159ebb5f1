from django.urls import path

from gallery.moderation import views

urlpatterns = [
    path("videos/<uuid:video_id>/report/", views.report, name="report"),
    path("s/<str:token>/report/", views.report_shared, name="report-shared"),
    path("reports/sent/", views.report_sent, name="report-sent"),
    path("notices/", views.notices, name="notices"),
]
