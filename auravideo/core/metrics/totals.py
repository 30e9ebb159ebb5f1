"""Site-wide totals of the declared metrics, kept in one Redis hash.

`ship` adds what this process has counted since the last call; `read` returns the totals as Prometheus metrics. A lost
or wiped Redis loses totals, never work: counters start again at zero, which Prometheus recognises as a reset.
"""

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

import redis
from django.conf import settings
from prometheus_client import Metric
from prometheus_client.samples import Sample

from auravideo.core.metrics.declared import BUCKETS, REGISTRY

KEY = "auravideo:metrics"
_TIMEOUT = 2  # seconds; a scrape or a stage never waits longer for a dead Redis

_lock = threading.Lock()
_counting = threading.Lock()  # held while the counters' own locks are taken, so that no fork copies a taken one
_shipped: dict[str, float] = {}


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return a client for the database that holds the metrics."""
    url = settings.REDIS_METRICS_URL
    return redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)


def ship() -> None:
    """Add this process's new counts to the totals. Raise redis.RedisError, and keep them, if Redis is unavailable."""
    with _lock:
        current = _counted()
        changed = {field: value - _shipped.get(field, 0) for field, value in current.items()}
        pipe = client().pipeline(transaction=True)
        for field, more in changed.items():
            if more:
                pipe.hincrbyfloat(KEY, field, more)
        if len(pipe):
            pipe.execute()
        _shipped.update(current)


def read() -> list[Metric]:
    """Return the totals of every declared metric. Raises redis.RedisError if Redis is unavailable."""
    stored = cast(dict[bytes, bytes], client().hgetall(KEY))
    values = {field.decode(): float(value) for field, value in stored.items()}
    values = {**dict.fromkeys(_counted(), 0.0), **values}
    found: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for field, value in values.items():
        name, labels = json.loads(field)
        group = json.dumps([pair for pair in labels if pair[0] != "le"])
        found[name][group].append(Sample(name, dict(labels), value))
    return [_family(family, found) for family in REGISTRY.collect()]


def _family(local: Metric, found: dict[str, dict[str, list[Sample]]]) -> Metric:
    """Return a metric with its site-wide samples: a histogram's buckets ascending and complete."""
    family = Metric(local.name, local.documentation, local.type)
    if local.type == "counter":
        family.samples = [sample for group in found[f"{local.name}_total"].values() for sample in group]
        return family
    for group, count in found[f"{local.name}_count"].items():
        buckets = {sample.labels["le"]: sample for sample in found[f"{local.name}_bucket"][group]}
        family.samples += _buckets(local.name, count[0].labels, buckets)
        family.samples += [*found[f"{local.name}_sum"][group], *count]
    return family


def _buckets(name: str, labels: dict[str, str], stored: dict[str, Sample]) -> Iterator[Sample]:
    """Yield a histogram's buckets, with zero for those that nothing has fallen into yet."""
    for bound in BUCKETS[name]:
        le = "+Inf" if bound == float("inf") else str(float(bound))
        value = stored[le].value if le in stored else 0.0
        yield Sample(f"{name}_bucket", {**labels, "le": le}, value)


def _counted() -> dict[str, float]:
    """Return the counts of this process since it started, by field of the hash."""
    with _counting:
        samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return {
        json.dumps([sample.name, sorted(sample.labels.items())]): sample.value
        for sample in samples
        if not sample.name.endswith("_created")
    }


def _forget_the_parents() -> None:
    """Leave to the parent what it counted before the fork; otherwise both would ship it."""
    global _lock, _counting
    _lock, _counting = threading.Lock(), threading.Lock()
    _shipped.clear()
    _shipped.update(_counted())


os.register_at_fork(
    before=lambda: _counting.acquire(), after_in_parent=lambda: _counting.release(), after_in_child=_forget_the_parents
)
