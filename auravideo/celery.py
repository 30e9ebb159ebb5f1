"""The Celery app: one queue per stage, messages that carry only ids, and a broker that holds no state."""

import os

from celery import Celery
from kombu import Exchange, Queue

from auravideo import environment
from generation.domain.memory_classes import ALL_QUEUES
from generation.domain.stages import CPU, STAGES, task_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
# OpenMP reads this when an engine loads torch. Spinning threads starve the threads they wait for as soon as anything
# else runs on the machine: with one busy process beside them, four clips took over 280 s; with passive waiting, 34 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PRIORITIES = 10  # 0 is served first; RabbitMQ counts the other way round (generation/queue/rabbitmq.py)
# RabbitMQ's replicated queues; Redis ignores the arguments.
QUORUM = {"x-queue-type": "quorum"} if environment.broker_url() else {}
# Redis redelivers an unacknowledged message after this long, so it must exceed the longest task. Lost jobs don't wait
# for it: the sweeper (generation/queue/recovery.py) requeues them under a new run number, and the old message is
# dropped when it arrives.
VISIBILITY_TIMEOUT = 12 * 3600

app = Celery("auravideo")
app.set_default()  # make this app `current_app` in every thread, not only the importing one
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    imports=("workers.tasks", "accounts.tasks", "gallery.tasks", "gallery.sharing.tasks"),
    task_queues=[Queue(name, Exchange(name), routing_key=name, queue_arguments=QUORUM) for name in ALL_QUEUES],
    broker_native_delayed_delivery_queue_type="classic",  # RabbitMQ: for retried emails only, so 28 cheap queues
    task_create_missing_queues=False,
    task_default_queue=CPU,
    task_routes={
        **{task_of(stage): {"queue": spec.queue} for stage, spec in STAGES.items()},
        "workers.tasks.*": {"queue": CPU},
        "accounts.tasks.*": {"queue": CPU},
        "gallery.tasks.*": {"queue": CPU},
    },
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_inherit_parent_priority=True,
    task_track_started=False,
    task_store_errors_even_if_ignored=False,
    result_expires=24 * 3600,
    worker_prefetch_multiplier=1,
    worker_concurrency=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={}
    if QUORUM
    else {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # Lower priorities first, whatever the queue; among equals, a worker takes turns between the queues that it
        # reads. So neither small nor large models can starve the others.
        "queue_order_strategy": "round_robin",
        "priority_steps": list(range(PRIORITIES)),
        "sep": ":",
    },
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT},
    # Fail fast if the broker is down: the job is already saved, and the sweeper publishes it later.
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2},
    beat_schedule={
        "requeue-lost": {"task": "workers.tasks.requeue_lost", "schedule": 15.0, "options": {"expires": 15}},
        "settle-accounts": {
            "task": "accounts.tasks.settle_left_over",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "purge-trash": {"task": "gallery.tasks.purge_trash", "schedule": 60.0, "options": {"expires": 60}},
        "check-safety": {
            "task": "gallery.tasks.check_safety_left_over",
            "schedule": 300.0,
            "options": {"expires": 300},
        },
        "end-suspensions": {
            "task": "accounts.tasks.end_suspensions",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "prune": {"task": "workers.tasks.prune", "schedule": 3600.0, "options": {"expires": 3600}},
    },
)
