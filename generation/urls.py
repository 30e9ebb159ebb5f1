from django.urls import path

from generation import job_views, views

app_name = "generation"

urlpatterns = [
    path("create/", views.create, name="create"),
    path("jobs/", job_views.jobs, name="jobs"),
    path("jobs/cancel-waiting/", job_views.cancel_waiting, name="cancel_waiting"),
    path("jobs/remove-ended/", job_views.remove_ended, name="remove_ended"),
    path("jobs/seen/", job_views.seen, name="seen"),
    path("jobs/<uuid:job_id>/", job_views.job, name="job"),
    path("jobs/<uuid:job_id>/cancel/", job_views.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/retry/", job_views.retry, name="retry"),
    path("jobs/<uuid:job_id>/remove/", job_views.remove, name="remove"),
    path("jobs/<uuid:job_id>/preview/", job_views.preview, name="preview"),
]
