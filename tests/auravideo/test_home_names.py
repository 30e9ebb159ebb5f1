"""Any folder can be the home: whatever its name, everything finds the private Redis in it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.sampling import every

ROOT = Path(__file__).resolve().parents[2]
USE = """
import asyncio
import django
django.setup()
from celery.result import AsyncResult
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.cache import cache
from auravideo.celery import app
from auravideo.core.metrics import totals
from auravideo.server import redis_server
from generation.queue import broker

async def pass_on():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await layer.group_send("group", {"type": "seen"})
    return await asyncio.wait_for(layer.receive(channel), 30)

server = redis_server.start(settings.REDIS_SOCKET)
try:
    cache.set("key", "kept")
    assert cache.get("key") == "kept"
    assert broker.connection().ping() and totals.client().ping()
    with app.connection() as connection:
        connection.ensure_connection(max_retries=1)
    app.backend.store_result("id", 1, "SUCCESS")
    assert AsyncResult("id", app=app).result == 1
    assert asyncio.run(pass_on())["type"] == "seen"
    print("all found it")
finally:
    server.terminate()
    server.wait()
"""
NAMES = ["C#", "50%", "what?", "a,b;c", "żółw", "a@b:c", "%2F", "[x]", "a+b&c=d"]


@pytest.mark.parametrize("name", every(len(NAMES), NAMES))
def test_everything_finds_its_redis(name):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is too long for a socket's path
        variables = {"AURAVIDEO_HOME": f"{folder}/{name}", "AURAVIDEO_ENV_FILE": os.devnull}
        environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "auravideo.settings", **variables}
        done = subprocess.run(
            [sys.executable, "-c", USE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert "all found it" in done.stdout, done.stderr
        assert (Path(folder) / name / "redis" / "appendonly.aof").exists() or list(Path(folder).rglob("*.aof"))
