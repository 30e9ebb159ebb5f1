from django.urls import path

from generation import views

app_name = "generation"

urlpatterns = [
    path("create/", views.create, name="create"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/cancel/", views.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/retry/", views.retry, name="retry"),
    path("jobs/<uuid:job_id>/preview/", views.preview, name="preview"),
]
