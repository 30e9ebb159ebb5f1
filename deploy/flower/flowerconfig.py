"""Flower's configuration: who may sign in, from the secret `flower_login` (name:password, one a line)."""

from pathlib import Path

from auravideo.celery import app as celery_app

# Flower shows tasks and runs none; importing them would take the workers' packages.
celery_app.conf.imports = ()

basic_auth = Path("/run/secrets/flower_login").read_text(encoding="utf-8").split()
if not basic_auth:
    raise SystemExit("secrets/flower_login is empty; Flower would let everybody in.")
address = "0.0.0.0"  # noqa: S104  compose publishes the port on the machine's own address only
port = 5555
# Nothing is stored: after a restart, Flower knows the tasks from then on.
persistent = False
