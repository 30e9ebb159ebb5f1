from django.urls import path

from generation.batches import views as batch_views
from generation.create import feed_views, sweep_views
from generation.create import views as create_views
from generation.jobs import allowance_views
from generation.jobs import views as job_views
from generation.own_queue import views as own_queue_views
from generation.presets import views as preset_views

app_name = "generation"

urlpatterns = [
    path("create/", create_views.create, name="create"),
    path("create/edit/", create_views.edit, name="create-edit"),
    path("create/summary/", create_views.summary, name="create-summary"),
    path("create/from-file/", create_views.from_file, name="create-from-file"),
    path("create/save-preset/", create_views.save_preset, name="create-save-preset"),
    path("create/again/<uuid:job_id>/", feed_views.again, name="create-again"),
    path("create/sweep/", sweep_views.sweep, name="create-sweep"),
    path("create/many/", batch_views.create_many, name="create-many"),
    path("presets/", preset_views.presets, name="presets"),
    path("presets/<uuid:preset_id>/rename/", preset_views.rename, name="preset-rename"),
    path("presets/<uuid:preset_id>/delete/", preset_views.delete, name="preset-delete"),
    path("batches/", batch_views.batches, name="batches"),
    path("batches/<uuid:batch_id>/", batch_views.batch, name="batch"),
    path("batches/<uuid:batch_id>/progress/", batch_views.progress, name="batch-progress"),
    path("batches/<uuid:batch_id>/cancel/", batch_views.cancel, name="batch-cancel"),
    path("batches/<uuid:batch_id>/download/", batch_views.download, name="batch-download"),
    path("settings/allowance/", allowance_views.allowance, name="allowance"),
    path("jobs/", job_views.jobs, name="jobs"),
    path("jobs/cancel-waiting/", job_views.cancel_waiting, name="cancel-waiting"),
    path("jobs/pause/", own_queue_views.pause, name="queue-pause"),
    path("jobs/resume/", own_queue_views.resume, name="queue-resume"),
    path("jobs/remove-ended/", job_views.remove_ended, name="remove-ended"),
    path("jobs/updates/", job_views.updates, name="updates"),
    path("jobs/seen/", job_views.seen, name="seen"),
    path("jobs/<uuid:job_id>/", job_views.job, name="job"),
    path("jobs/<uuid:job_id>/cancel/", job_views.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/retry/", job_views.retry, name="retry"),
    path("jobs/<uuid:job_id>/repair/", job_views.repair, name="repair"),
    path("jobs/<uuid:job_id>/remove/", job_views.remove, name="remove"),
    path("jobs/<uuid:job_id>/move/", own_queue_views.move, name="queue-move"),
    path("jobs/<uuid:job_id>/preview/", job_views.preview, name="preview"),
]
