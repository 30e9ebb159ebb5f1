"""What an image has is enough for what runs in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]

SETUP = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "auravideo.settings"
import django
django.setup()
"""

EVERY_MODULE_OF_THE_SITE = """
import importlib, pkgutil
import accounts, auravideo, gallery, generation
# The demo draws its clips with the packages of cpu, and gallery.annotated is for the type checker only.
skipped = ("auravideo.demo", "auravideo.management.commands.seed_demo", "gallery.annotated")
names = [
    module.name
    for package in (accounts, auravideo, gallery, generation)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.startswith(skipped)
]
assert len(names) > 150, names
for name in names:
    importlib.import_module(name)
"""

A_PAGE = """
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
assert Client().get("/accounts/login/", headers={"Host": "localhost"}).status_code == 200
"""

REQUEST = """
from types import SimpleNamespace
from generation.requests import available
from workers import engine_factory
model = available.catalogue().default_model
request = SimpleNamespace(model=model.id, motion_adapter=model.adapter, engine_prompt="a red heart", negative_prompt="")
"""

WHAT_THE_QUEUE_CPU_DOES = """
import numpy as np
import workers.tasks
from workers import assembly, frame_store, stages
from workers.media import gif, probing, stills, video
from generation.catalogue import download
from huggingface_hub import HfApi
assert engine_factory.count_tokens(request) == 5
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script with the packages of an image, on a new site."""

    def run(name: str, script: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "tests.deploy.image", name]
        environment = {**os.environ, "AURAVIDEO_HOME": str(tmp_path), "DATABASE_URL": ""}
        return subprocess.run(
            command, cwd=ROOT, input=script, capture_output=True, text=True, env=environment, check=False
        )

    return run


def test_a_package_of_another_image_cannot_be_imported(run):
    assert "No module named 'numpy' in this image" in run("web", "import numpy").stderr
    assert run("cpu", "import numpy").returncode == 0


def test_the_web_image_can_import_the_whole_site_and_serve_a_page(run):
    done = run("web", SETUP + EVERY_MODULE_OF_THE_SITE + A_PAGE)
    assert done.returncode == 0, done.stderr


def test_the_cpu_image_can_prepare_and_assemble_clips(run):
    done = run("cpu", SETUP + REQUEST + WHAT_THE_QUEUE_CPU_DOES)
    assert done.returncode == 0, done.stderr


def test_the_torch_image_can_load_its_engines(run):
    load = "engine_factory.text_to_video(request).load()\nengine_factory.upscaling(request).load()\n"
    done = run("torch", SETUP + REQUEST + "import workers.tasks\n" + load)
    assert done.returncode == 0, done.stderr


@pytest.mark.tensorflow
def test_the_tensorflow_image_can_load_its_engine(run):
    done = run("tensorflow", SETUP + REQUEST + "import workers.tasks\nengine_factory.interpolation(request).load()\n")
    assert done.returncode == 0, done.stderr


def test_the_torch_image_can_interpolate_too(run):
    """For cards that TensorFlow has no kernels for (docs/containers.md)."""
    load = "engine = engine_factory.interpolation(request)\nengine.load()\nassert engine.library == 'torch', engine\n"
    done = run("torch", SETUP + REQUEST + "import workers.tasks\n" + load)
    assert done.returncode == 0, done.stderr
