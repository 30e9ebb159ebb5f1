"""Run the scheduler in the foreground, for containers and service managers; `manage.py serve` starts it too."""

import signal
import threading

from django.conf import settings
from django.core.management import BaseCommand
from redis import Redis

from auravideo.celery import app
from auravideo.core.liveness import heartbeat, parents
from auravideo.server import scheduler


class Command(BaseCommand):
    help = "Send the scheduled tasks, or stand by while another machine's scheduler does."

    def handle(self, **_options: object) -> None:
        stop = threading.Event()
        parents.follow()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        seconds = scheduler.ANSWER_SECONDS
        client = Redis.from_url(settings.REDIS_BROKER_URL, socket_timeout=seconds, socket_connect_timeout=seconds)
        # Without limits, a message to a machine that vanished would wait for ever, and so would the lease's renewal.
        limits = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, **limits}
        scheduler.run(app, client, stop, heartbeat.beat)
