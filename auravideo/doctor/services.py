"""Checks of what the site depends on: database, Redis, storage, mail server, and whether their clocks agree."""

import time
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

import redis
from django.conf import settings
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts import second_factor_secrets
from auravideo.commands import manage
from auravideo.core import publish
from auravideo.core.metrics import presence
from auravideo.core.metrics.totals import client
from auravideo.core.storage import delete_folder
from auravideo.doctor.findings import Check, NotApplicable, Problem, State, brief
from generation.domain import storage_keys
from generation.queue import broker

POSTGRESQL, SQLITE = 14, (3, 35)
REDIS = (6, 2)
SKEW_SECONDS = 5.0  # heartbeats, undo periods and signed URLs go by these clocks
NTP = "Set the clock: timedatectl set-ntp true"


def database() -> str:
    """Check that the database answers and is new enough."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        fix = "Start it, and check DATABASE_URL: host, port, user, password, name."
        raise Problem(brief(error), fix) from error
    if connection.vendor == "postgresql":
        found = cast(Any, connection).pg_version
        if found < POSTGRESQL * 10000:
            raise Problem(f"PostgreSQL {found // 10000}", f"Use PostgreSQL {POSTGRESQL} or later.")
        return f"PostgreSQL {found // 10000}.{found % 10000}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
        (text,) = cursor.fetchone()
    if tuple(map(int, text.split("."))) < SQLITE:
        raise Problem(f"SQLite {text}", "Use a Python with a newer SQLite, or PostgreSQL.")
    return f"SQLite {text}"


def migrations() -> str:
    """Check that the database has the tables of this version, and of no later one."""
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        raise NotApplicable("the database does not answer") from error
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        names = ", ".join(str(migration) for migration, _backwards in waiting[:3])
        raise Problem(f"{len(waiting)} not applied: {names}", f"Run: {manage('migrate')}")
    unknown = sorted(set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations))
    ours = [f"{app}.{name}" for app, name in unknown if app in ("accounts", "generation", "gallery")]
    if ours:
        fix = "The database belongs to a later version: update this machine, or restore the backup made before it."
        raise Problem(f"unknown to this version: {', '.join(ours)}", fix)
    return f"{len(executor.loader.applied_migrations)} applied"


def redis_server() -> str:
    """Check that Redis answers, is new enough, keeps its queues over a restart and throws nothing away."""
    try:
        found = client().info()
    except redis.RedisError as error:
        own = "Start the site: it starts its own Redis."
        raise Problem(brief(error), "Start it, and check REDIS_URL." if settings.REDIS_URL else own) from error
    text = str(found["redis_version"])
    if tuple(map(int, text.split(".")[:2])) < REDIS:
        raise Problem(f"Redis {text}", f"Use Redis {'.'.join(map(str, REDIS))} or later, or Valkey.")
    policy = found.get("maxmemory_policy", "noeviction")
    if found.get("maxmemory") and policy != "noeviction":
        fix = "Set maxmemory-policy to noeviction: Redis would drop queues, and clips would wait for the next sweep."
        raise Problem(f"Redis {text} may drop messages (maxmemory-policy {policy})", fix)
    if not found.get("aof_enabled") and not _saves():
        fix = "Set appendonly yes. Clips are not lost without it, but after a restart they wait for the next sweep."
        raise Problem(f"Redis {text} keeps nothing over a restart", fix, State.WARNING)
    return f"Redis {text}, {'append-only file' if found.get('aof_enabled') else 'snapshots'}"


def _saves() -> bool:
    """Return whether Redis makes snapshots; True if it does not tell, as managed servers do."""
    try:
        return any(cast(dict[str, str], client().config_get("save")).values())
    except redis.ResponseError:
        return True


def message_broker() -> str:
    """Check that RabbitMQ answers, on a site that uses it."""
    if not settings.BROKER_URL:
        raise NotApplicable("Redis carries the messages")
    try:
        broker.ping()
    except publish.BROKER_ERRORS as error:
        fix = "Start RabbitMQ, and check BROKER_URL: host, port, user, password, virtual host."
        raise Problem(brief(error), fix) from error
    return "RabbitMQ"


def storage() -> str:
    """Store, read and delete a small file in each storage."""
    for alias in ("default", "frames"):
        key = f"{storage_keys.frames_folder(uuid4())}/check"
        content = uuid4().bytes
        try:
            saved = storages[alias].save(key, ContentFile(content))
            with storages[alias].open(saved) as file:
                is_same = file.read() == content
            delete_folder(storages[alias], key.rpartition("/")[0])
        except Exception as error:  # every storage has exceptions of its own
            place = "the S3_ settings" if settings.S3_BUCKET else "the owner and the free space of AURAVIDEO_HOME"
            fix = f"Check {place}. Run: {manage('check_storage')}, which tries every request."
            raise Problem(f"{alias}: {brief(error)}", fix) from error
        if not is_same:
            raise Problem(f"{alias}: a file came back changed", "Replace the disk or the store.")
    return f"bucket {settings.S3_BUCKET}" if settings.S3_BUCKET else "local folders"


def email() -> str:
    """Check that the mail server answers and accepts the password. Sends nothing."""
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        fix = "Set EMAIL_URL, or nobody can reset a password."
        raise Problem("emails are printed to the log, not sent", fix, State.WARNING)
    server = mail.get_connection()
    try:
        server.open()
        server.close()
    except Exception as error:  # SMTP's, the network's, TLS's
        raise Problem(brief(error), "Check EMAIL_URL: host, port, user, password, and tls or ssl.") from error
    return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"


def clocks() -> str:
    """Compare the clocks of this machine, the database, Redis and all machines that report."""
    off = {"the database": _database_clock() - time.time()}
    try:
        off["Redis"] = _redis_clock() - time.time()
        off |= presence.clock_differences()
    except redis.RedisError:  # has a finding of its own
        off["Redis"] = 0.0
    who, worst = max(off.items(), key=lambda item: abs(item[1]))
    if abs(worst) > SKEW_SECONDS:
        raise Problem(f"{who} is {abs(worst):.0f} s {'ahead' if worst > 0 else 'behind'}", f"{NTP} (there or here)")
    return f"within {abs(worst):.1f} s"


def _database_clock() -> float:
    try:
        if connection.vendor == "sqlite":
            return time.time()  # SQLite has no clock but ours
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            moment: datetime = cursor.fetchone()[0]
            return moment.timestamp()
    except DatabaseError as error:
        raise NotApplicable("the database does not answer") from error


def _redis_clock() -> float:
    seconds, micro = client().time()
    return seconds + micro / 1e6


def second_factors() -> str:
    """Check that the codes of second factors can be checked: that SECRET_KEY is the one that encrypted them."""
    try:
        count = second_factor_secrets.count_unreadable()
    except DatabaseError as error:
        raise NotApplicable("the database does not answer") from error
    if count:
        raise Problem(f"{count} cannot be read with SECRET_KEY", second_factor_secrets.FIX)
    return "all can be read"


CHECKS: list[Check] = [
    ("database", database),
    ("migrations", migrations),
    ("Redis", redis_server),
    ("RabbitMQ", message_broker),
    ("storage", storage),
    ("email", email),
    ("second factors", second_factors),
    ("clocks", clocks),
]
