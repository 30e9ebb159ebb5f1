"""Messages that are lost, doubled or out of order: Redis only delivers, and nothing may depend on how well."""

from collections.abc import Iterator
from random import Random

from redis.exceptions import RedisError

from auravideo.celery import PRIORITIES
from generation.domain.stages import QUEUES
from tests.chaos.plan import Kind, Planned
from tests.chaos.world import NotNow, World


def _queues(world: World) -> Iterator[tuple[str, list[bytes]]]:
    """Yield every list with waiting messages, with these."""
    for queue in QUEUES:
        for priority in range(PRIORITIES):
            key = f"{queue}:{priority}" if priority else queue
            if waiting := world.redis.lrange(key, 0, -1):
                yield key, waiting


def _some(world: World) -> list[tuple[str, list[bytes]]]:
    try:
        found = list(_queues(world))
    except RedisError as error:
        raise NotNow from error
    if not found:
        raise NotNow
    return found


def flush(world: World, _planned: Planned) -> None:
    world.redis.flushall()


def double(world: World, _planned: Planned) -> None:
    for key, waiting in _some(world):
        world.redis.lpush(key, *waiting)


def reorder(world: World, planned: Planned) -> None:
    """Move every message to another place in its queue, at once."""
    random = Random(planned.number)
    for key, waiting in _some(world):
        pipe = world.redis.pipeline()
        for message in waiting:
            pipe.lrem(key, 1, message)
        pipe.execute()
        world.redis.lpush(key, *random.sample(waiting, len(waiting)))


def lose(world: World, _planned: Planned) -> None:
    for key, _waiting in _some(world):
        world.redis.delete(key)


def redeliver(world: World, _planned: Planned) -> None:
    """Put what workers have taken and not yet acknowledged back into the queues, as after a visibility timeout."""
    import json

    taken = world.redis.hvals("unacked")
    if not taken:
        raise NotNow
    for entry in taken:
        message, _exchange, queue = json.loads(entry)
        if queue in QUEUES:
            world.redis.lpush(queue, json.dumps(message))


KINDS = (
    Kind("Redis is emptied", flush),
    Kind("messages are delivered twice", double),
    Kind("messages that are being worked on are delivered again", redeliver),
    Kind("messages change their order", reorder),
    Kind("waiting messages are lost", lose),
)
