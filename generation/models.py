"""Models of jobs, batches and presets. The database is the truth; only generation.queue writes job states."""

import uuid
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _

from generation.domain.errors import error_text, warning_text
from generation.domain.plan import Plan
from generation.domain.stages import STAGES
from generation.domain.states import ACTIVE, NEWS, RunStatus, Status
from generation.requests.fields import MIN_SIDE
from generation.requests.request import InvalidRequest, RenderRequest

STATUS_LABELS = {
    Status.QUEUED: _("queued"),
    Status.RUNNING: _("rendering"),
    Status.DONE: _("done"),
    Status.FAILED: _("failed"),
    Status.CANCELLED: _("cancelled"),
}
STAGE_LABELS = {stage: spec.label for stage, spec in STAGES.items()}
RUN_STATUS_LABELS = {
    RunStatus.RUNNING: _("running"),
    RunStatus.DONE: _("done"),
    RunStatus.FAILED: _("failed"),
    RunStatus.LOST: _("lost"),
    RunStatus.CANCELLED: _("cancelled"),
    RunStatus.DISCARDED: _("discarded"),
}


def _choices(labels: dict) -> list[tuple[str, object]]:
    return [(key.value, label) for key, label in labels.items()]


class Batch(models.Model):
    """Many prompts submitted together. Submitting the same rows again as the same user resumes the same batch."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="batches", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=200)
    digest = models.CharField(_("SHA-256 of the rows"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Null for a file of prompts. Otherwise one request in variations: the up to two settings that vary on purpose, each
    # as {"field", "values"}; the first one runs along the columns of the grid. Empty if only the seed differs.
    axes = models.JSONField(_("settings that vary"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_batch_a_file_and_person")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_variations(self) -> bool:
        """Return whether it is one request in variations, made to be compared."""
        return self.axes is not None


class Job(models.Model):
    """One requested clip. Only generation.queue writes `status`."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="jobs", verbose_name=_("user"))
    batch = models.ForeignKey(
        Batch, models.CASCADE, null=True, blank=True, related_name="jobs", verbose_name=_("batch")
    )
    row = models.PositiveIntegerField(_("row in the batch"), null=True, blank=True)
    # The failed job that this one makes up for (generation/jobs/cures.py).
    repair_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="repairs", verbose_name=_("repair of")
    )
    request = models.JSONField(_("request"))
    seed = models.PositiveBigIntegerField(_("seed"))
    # Frozen at submission: editing the catalogue must not change the chunks of a running job.
    # Null if the model had left the catalogue before plans were stored.
    plan = models.JSONField(_("plan"), null=True, blank=True, editable=False)
    warnings = models.JSONField(_("warnings"), default=list, blank=True)
    status = models.CharField(_("state"), max_length=10, choices=_choices(STATUS_LABELS), default=Status.QUEUED)
    # Rises with every change; anything holding a lower one is stale.
    version = models.PositiveIntegerField(_("version"), default=1)
    run = models.PositiveIntegerField(_("run"), default=1)  # fencing token: messages of an older run are dropped
    # The first run since the user last submitted or retried; attempts count from it.
    first_run = models.PositiveIntegerField(_("first run"), default=1)
    # Of the message of the first stage; whose clip is generated next is decided by generation/queue/turns.py.
    priority = models.PositiveSmallIntegerField(_("priority"), default=0)
    # The queue of `generate` in which the job waits for its turn; "" before and after that.
    waits_in = models.CharField(_("waits in"), max_length=40, blank=True, default="", db_default="", editable=False)
    # Unix time of the newest live preview, a cache buster in its URL; 0 without one.
    previewed_at = models.PositiveIntegerField(_("previews"), default=0)
    error_id = models.CharField(_("error"), max_length=40, blank=True)
    error_context = models.JSONField(_("error details"), default=dict, blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)
    queued_at = models.DateTimeField(_("queued"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    touched_at = models.DateTimeField(_("last sign of life"))
    seen_at = models.DateTimeField(_("seen"), null=True, blank=True)  # when its owner saw the outcome
    removed_at = models.DateTimeField(
        _("removed from the list"), null=True, blank=True
    )  # by its owner; the video stays

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at"]),
            models.Index(fields=["status", "queued_at"]),
            models.Index(fields=["status", "ended_at"]),
            models.Index(fields=["waits_in", "user", "queued_at"], condition=~Q(waits_in=""), name="waiting_jobs"),
            models.Index(fields=["user", "-started_at"], name="last_started_job"),
            # For the counts and the panel on every page.
            models.Index(fields=["user", "status", "seen_at"], condition=Q(removed_at=None), name="listed_jobs"),
            models.Index(fields=["user", "-ended_at"], condition=Q(removed_at=None), name="listed_jobs_by_end"),
        ]
        constraints = [models.UniqueConstraint(fields=["batch", "row"], name="one_job_a_row")]

    def __str__(self) -> str:
        return f"{self.id}: {self.request.get('prompt', '')[:60]}"

    @property
    def render_request(self) -> RenderRequest:
        """Return the request. Raises InvalidRequest if another version stored it, in a way that cannot be read."""
        return RenderRequest.from_dict(self.request)

    @property
    def asked(self) -> RenderRequest | dict[str, str]:
        """Return what pages show of the request: all of it, or the prompt alone if the rest cannot be read."""
        try:
            return self.render_request
        except InvalidRequest:
            return {"prompt": str(self.request.get("prompt", ""))}

    @property
    def render_plan(self) -> Plan:
        """Return the plan frozen at submission.

        Raises:
            InvalidRequest: the plan is unreadable, or missing because the model had left the catalogue.
        """
        if self.plan is None:
            raise InvalidRequest({"model": [_("The model is no longer in the catalogue.")]})
        try:
            return Plan.from_dict(self.plan)
        except ValueError as error:
            raise InvalidRequest({"model": [str(error)]}) from error

    @property
    def stored_request(self) -> dict[str, Any]:
        """Return the request with the seed drawn for it: enough to make the same clip again."""
        return {**self.request, "seed": self.seed}

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    can_cancel = is_active

    @property
    def can_retry(self) -> bool:
        return self.status in (Status.FAILED, Status.CANCELLED)

    @property
    def can_remove(self) -> bool:
        return not self.is_active and self.removed_at is None

    @property
    def is_new(self) -> bool:
        """Return whether the job has an outcome that its owner has not seen; cancelled jobs are never new."""
        return self.status in NEWS and self.seen_at is None

    @property
    def warning_texts(self) -> list[str]:
        """Return the warnings for the user; the clip is rendered all the same."""
        return [warning_text(warning) for warning in self.warnings]

    @property
    def error_text(self) -> str:
        """Return why the job failed, worded for its owner, or ''."""
        context = {**self.error_context}
        if context.get("stage") in STAGE_LABELS:
            context["stage"] = str(STAGE_LABELS[context["stage"]])
        return error_text(self.error_id, context) if self.error_id else ""


class StageRun(models.Model):
    """One attempt at one stage of one chunk: its worker, progress, output and outcome."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="stage_runs", verbose_name=_("job"))
    run = models.PositiveIntegerField(_("run"))
    stage = models.CharField(_("stage"), max_length=12, choices=_choices(STAGE_LABELS))
    chunk = models.PositiveIntegerField(_("chunk"), default=0)
    status = models.CharField(_("state"), max_length=10, choices=_choices(RUN_STATUS_LABELS), default=RunStatus.RUNNING)
    worker = models.CharField(_("worker"), max_length=200)
    done = models.PositiveIntegerField(_("steps done"), default=0)
    total = models.PositiveIntegerField(_("total steps"), default=0)
    is_loading = models.BooleanField(_("is loading its model"), default=False)
    load_seconds = models.FloatField(_("seconds of loading"), default=0)  # before its work; 0 if its model was warm
    cost = models.FloatField(_("cost"), default=0)  # units of work, see generation/queue/estimates.py
    output = models.JSONField(_("output"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("heartbeat"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("stage run")
        verbose_name_plural = _("stage runs")
        ordering = ["started_at"]
        indexes = [
            models.Index(fields=["status", "heartbeat_at"]),
            models.Index(fields=["stage", "status", "ended_at"]),
        ]
        constraints = [
            # The claim: if a message is delivered twice, only one delivery can insert this row.
            models.UniqueConstraint(fields=["job", "run", "stage", "chunk"], name="one_claim_a_run"),
        ]

    def __str__(self) -> str:
        return f"{self.stage}[{self.chunk}] of {self.job_id}, run {self.run}: {self.status}"

    @property
    def seconds(self) -> float | None:
        """Return the run time in seconds; None while running."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None


class Preset(models.Model):
    """Settings to start from: a request without its prompt and quality. Without a user, shared with everyone."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="presets",
        verbose_name=_("user"),
        help_text=_("Leave empty to share it with everyone."),
    )
    name = models.CharField(_("name"), max_length=60)
    settings = models.JSONField(_("settings"), default=dict)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("preset")
        verbose_name_plural = _("presets")
        ordering = [Lower("name")]
        constraints = [
            models.UniqueConstraint(
                "user",
                Lower("name"),
                name="one_preset_a_name_and_person",
                violation_error_message=_("A preset with this name already exists."),
            ),
            models.UniqueConstraint(
                Lower("name"),
                name="one_shared_preset_a_name",
                condition=models.Q(user=None),
                violation_error_message=_("A preset with this name already exists."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shared(self) -> bool:
        return self.user_id is None


class BlockedTerm(models.Model):
    """A word or phrase that prompts may not contain; matched case-insensitively, whole words only."""

    term = models.CharField(_("term"), max_length=100, unique=True, help_text=_("A word or phrase."))
    message = models.CharField(
        _("message"),
        max_length=300,
        blank=True,
        help_text=_("What the user reads when a prompt contains it. Leave empty for the site's own sentence."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("blocked term")
        verbose_name_plural = _("blocked terms")
        ordering = ["term"]

    def __str__(self) -> str:
        return self.term


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


class Quota(models.Model):
    """What a user, the members of a group, or everybody may use; generation.quotas reads it.

    An empty field sets nothing: a user's own value counts before the most generous one of their groups, and that before
    everybody's. A field that nobody sets is not limited.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="quota",
        verbose_name=_("user"),
        help_text=_("Leave user and group empty for the quota of everybody who has no other."),
    )
    group = models.OneToOneField(
        "auth.Group", models.CASCADE, null=True, blank=True, related_name="quota", verbose_name=_("group")
    )
    is_unlimited = models.BooleanField(
        _("unlimited"), default=False, help_text=_("No quota at all; the limits of the site still hold.")
    )
    waiting = models.PositiveIntegerField(
        _("waiting clips"), null=True, blank=True, help_text=_("Clips that wait or render at a time. 0 allows none.")
    )
    seconds_a_day = models.PositiveIntegerField(
        _("seconds of video a day"),
        null=True,
        blank=True,
        help_text=_("In any 24 hours. Failed and cancelled clips do not count; deleted ones do."),
    )
    max_side = models.PositiveIntegerField(
        _("longest side"), null=True, blank=True, validators=[MinValueValidator(MIN_SIDE)], help_text=_("In pixels.")
    )
    max_seconds = models.PositiveIntegerField(
        _("longest clip"), null=True, blank=True, validators=[MinValueValidator(1)], help_text=_("In seconds.")
    )
    storage_mb = models.PositiveIntegerField(
        _("storage"), null=True, blank=True, help_text=_("In megabytes, of finished clips, the trash included.")
    )

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(user=None) | Q(group=None), name="quota_of_a_user_or_a_group"),
            models.UniqueConstraint(
                Coalesce("group", Value(0)),
                name="one_quota_for_everybody",
                condition=Q(user=None, group=None),
                violation_error_message=_("There is already a quota for everybody."),
            ),
        ]

    LIMITS = ("waiting", "seconds_a_day", "max_side", "max_seconds", "storage_mb")

    def __str__(self) -> str:
        return str(self.user or self.group or _("everybody"))

    def clean(self) -> None:
        if self.user_id and self.group_id:
            raise ValidationError({"group": _("Choose a user or a group, not both.")})
        if self.is_unlimited and any(getattr(self, name) is not None for name in self.LIMITS):
            raise ValidationError({"is_unlimited": _("Clear the limits below, or this box.")})


class LedgerEntry(models.Model):
    """The seconds of video that a clip costs its owner's quota. Written by generation.quotas.ledger only.

    It outlives the clip: deleting a finished clip does not give its seconds back. Those of a failed or cancelled job do
    not count.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="ledger_entries", verbose_name=_("user")
    )
    # Not enforced by the database: workers of the version before, which delete jobs, don't know this table.
    job = models.OneToOneField(
        Job,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="ledger_entry",
        db_constraint=False,
        verbose_name=_("job"),
    )
    seconds = models.PositiveIntegerField(_("seconds of video"))
    size = models.PositiveBigIntegerField(_("estimated size in bytes"))
    counted_at = models.DateTimeField(_("counted"))  # when it was queued, by the database's clock

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        default_permissions = ()
        ordering = ["counted_at"]
        indexes = [models.Index(fields=["user", "counted_at"], name="ledger_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.seconds} s"
