"""The Celery app: one queue per stage, messages that carry only ids, and a broker that holds no state."""

import logging.config
import os
import platform
import sys
import time

from celery import Celery
from celery.signals import after_task_publish, beat_init, before_task_publish, setup_logging
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu import Exchange, Queue
from redis import RedisError

from auravideo import tracing
from auravideo.commands import cannot_start
from auravideo.core.machine import operating_system
from auravideo.core.metrics import presence, reporting
from generation.domain.memory_classes import ALL_QUEUES
from generation.domain.stages import CPU, STAGES, task_of

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
# OpenMP reads this when an engine loads torch. Spinning threads starve the threads they wait for as soon as anything
# else runs on the machine: with one busy process beside them, four clips took over 280 s; with passive waiting, 34 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# torch reads this with its first use of a card. Segments that grow leave no gaps between clips of different sizes, in
# which memory that is free could not be used. Where the platform has none, torch says so and goes on without; but under
# WSL2, it may fail at the first allocation (pytorch#192330).
if not os.environ.keys() & {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} and "microsoft" not in platform.release():
    os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"

# CUDA numbers cards by their speed, NVML and nvidia-smi by their place on the bus. A worker of card 1 must report
# that one.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

if operating_system.is_macos():
    # torch reads the first when it is imported: operations that Metal lacks run on the CPU instead of failing. Whoever
    # starts the processes sets the second one (auravideo/server/processes.py), since it is read before Python runs.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

PRIORITIES = 10  # 0 is served first; RabbitMQ counts the other way round (generation/queue/rabbitmq.py)
QUORUM = {"x-queue-type": "quorum"}  # RabbitMQ's replicated queues; Redis ignores the argument
# Redis redelivers an unacknowledged message after this long, so it must exceed the longest task. Lost jobs don't wait
# for it: the sweeper (generation/queue/recovery.py) requeues them under a new run number, and the old message is
# dropped when it arrives.
VISIBILITY_TIMEOUT = 12 * 3600
SWEEP = "workers.tasks.requeue_lost"  # the most frequent of the scheduled tasks; nothing else sends it
# Of scheduled tasks. Celery compares the clocks of the scheduler and of a worker, and a worker that is ahead would drop
# them all if this were short. An hour of sweeps that piled up takes a second.
EXPIRES_SECONDS = 3600
SENT_AT = "auravideo_sent_at"  # header of every message: Unix time, from which the age of a queue is computed

app = Celery("auravideo")
app.set_default()  # make this app `current_app` in every thread, not only the importing one
app.steps["worker"].add(DjangoStructLogInitStep)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    imports=(
        *("workers.tasks", "accounts.tasks", "generation.endings.tasks"),
        *("gallery.tasks", "gallery.screening.tasks"),
    ),
    task_queues=[Queue(name, Exchange(name), routing_key=name, queue_arguments=QUORUM) for name in ALL_QUEUES],
    broker_native_delayed_delivery_queue_type="classic",  # RabbitMQ: for retried emails only, so 28 cheap queues
    task_create_missing_queues=False,
    task_default_queue=CPU,
    task_routes={
        **{task_of(stage): {"queue": spec.queue} for stage, spec in STAGES.items()},
        "workers.tasks.*": {"queue": CPU},
        "accounts.tasks.*": {"queue": CPU},
        "gallery.tasks.*": {"queue": CPU},
        "generation.endings.tasks.*": {"queue": CPU},
    },
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_inherit_parent_priority=True,
    task_track_started=False,
    task_store_errors_even_if_ignored=False,
    result_expires=24 * 3600,
    worker_prefetch_multiplier=1,
    worker_lost_wait=1.0,  # for a result of a child that died; the database knows better whether it had finished
    worker_concurrency=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # the default gives up within an hour
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT},
    # Fail fast if the broker is down: the job is already saved, and the sweeper publishes it later.
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2},
    beat_schedule={
        "requeue-lost": {"task": SWEEP, "schedule": 15.0, "options": {"expires": EXPIRES_SECONDS}},
        "settle-accounts": {
            "task": "accounts.tasks.settle_left_over",
            "schedule": 60.0,
            "options": {"expires": EXPIRES_SECONDS},
        },
        "purge-trash": {"task": "gallery.tasks.purge_trash", "schedule": 60.0, "options": {"expires": EXPIRES_SECONDS}},
        "screen": {
            "task": "gallery.tasks.screen_left_over",
            "schedule": 60.0,
            "options": {"expires": EXPIRES_SECONDS},
        },
        "check-safety": {
            "task": "gallery.tasks.check_safety_left_over",
            "schedule": 300.0,
            "options": {"expires": EXPIRES_SECONDS},
        },
        "end-suspensions": {
            "task": "accounts.tasks.end_suspensions",
            "schedule": 60.0,
            "options": {"expires": EXPIRES_SECONDS},
        },
        "prune-accounts": {
            "task": "accounts.tasks.prune",
            "schedule": 3600.0,
            "options": {"expires": EXPIRES_SECONDS},
        },
        "prune": {"task": "workers.tasks.prune", "schedule": 3600.0, "options": {"expires": EXPIRES_SECONDS}},
        "prune-leftovers": {
            "task": "gallery.tasks.prune",
            "schedule": 3600.0,
            "options": {"expires": EXPIRES_SECONDS},
        },
    },
)


@app.on_configure.connect
def _refuse_invalid_settings(**_kwargs: object) -> None:
    """End the program `celery` with one line if the settings are invalid. Those of manage.py are read before."""
    try:
        _ = settings.SECRET_KEY
    except ImproperlyConfigured as error:
        sys.exit(cannot_start(error))


@app.on_after_configure.connect
def _tune_redis(sender: Celery, **_kwargs: object) -> None:
    """Set the options of Redis as the broker, now that the settings are read. RabbitMQ would refuse them."""
    if settings.BROKER_URL:
        return
    sender.conf.broker_transport_options = {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # Lower priorities first, whatever the queue; among equals, a worker takes turns between the queues that it
        # reads. So neither small nor large models can starve the others.
        "queue_order_strategy": "round_robin",
        "priority_steps": list(range(PRIORITIES)),
        "sep": ":",
    }


@before_task_publish.connect
def _stamp(headers: dict, **_kwargs: object) -> None:
    headers[SENT_AT] = time.time()


@after_task_publish.connect(sender=SWEEP)
def _note_schedule(**_kwargs: object) -> None:
    try:
        presence.note_schedule()
    except RedisError as error:
        logger.warning("The scheduler's sign of life is lost: %s", error)


@beat_init.connect
def _report_scheduler(**_kwargs: object) -> None:
    reporting.start(presence.SCHEDULER)
    tracing.start("scheduler")


@setup_logging.connect
def _keep_our_logging(**_kwargs: object) -> None:
    """Let the lines of workers and the scheduler look like all others: with a receiver, Celery sets up none."""
    logging.config.dictConfig(settings.LOGGING)
