"""Worker processes, how long they take to load models, and whether they render."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """A worker process that is there, as it reports itself. Only generation.queue.roster writes it.

    A row lives as long as its worker: it deletes the row when it stops, and the sweep deletes the row of one that died.
    """

    name = models.CharField(_("name"), max_length=200, unique=True)  # Celery's node name, also in StageRun.worker
    host = models.CharField(_("host"), max_length=200)
    pid = models.PositiveIntegerField(_("process"))
    queues = models.JSONField(_("queues"), default=list)  # of stages, without their memory classes
    device = models.CharField(_("device"), max_length=100)
    version = models.CharField(_("version"), max_length=40)
    memory_total = models.PositiveBigIntegerField(_("memory"))  # bytes that it may use
    memory_free = models.PositiveBigIntegerField(_("free memory"))
    warm = models.JSONField(_("warm models"), default=list)  # least recently used first
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("heartbeat"), db_index=True)  # by the database's clock
    draining_since = models.DateTimeField(_("draining since"), null=True, blank=True)
    takes_work = models.BooleanField(_("takes work"), default=True)  # the worker's own answer to draining_since
    # The machine, and the last time that it was started: the same for all of its containers.
    boot = models.CharField(_("start of its machine"), max_length=40, blank=True, default="", db_default="")
    # How its models run, where that is not as usual (domain/worker_notes.py); None until it says so.
    notes = models.JSONField(_("notes"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class LoadTime(models.Model):
    """How long a worker took to load a model. Only generation.queue.loading writes it, and keeps the last ones."""

    engine = models.CharField(_("model"), max_length=200)  # as workers report it, see queue/placement.py
    seconds = models.FloatField(_("seconds"))
    boot = models.CharField(_("start of its machine"), max_length=40)  # as in Worker.boot
    from_disk = models.BooleanField(_("read from the disk"))  # the first load since then
    loaded_at = models.DateTimeField(_("loaded"))  # by the database's clock

    class Meta:
        verbose_name = _("load time")
        verbose_name_plural = _("load times")
        indexes = [models.Index(fields=["engine", "-loaded_at"])]

    def __str__(self) -> str:
        return f"{self.engine}: {self.seconds:.1f} s"


class RenderingPause(models.Model):
    """Rendering is paused for the whole site as long as this row exists. Only generation.queue.pausing writes it."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(_("id"), primary_key=True, default=ONLY, editable=False)
    since = models.DateTimeField(_("since"))  # by the database's clock

    class Meta:
        verbose_name = _("pause of rendering")
        verbose_name_plural = _("pauses of rendering")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_pause_at_a_time")]

    def __str__(self) -> str:
        return str(self.since)
