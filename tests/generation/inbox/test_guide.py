"""The guide to the inbox, followed literally."""

import io
import re
from pathlib import Path

import pytest
from django.core.management import call_command

from generation.requests import available
from tests import model_files as files

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("### The inbox\n")[2].partition("\n### ")[0]


@pytest.fixture
def home(settings, tmp_path):
    settings.HOME = tmp_path
    settings.CATALOGUE_FILE = None
    return tmp_path


def command(line):
    name, *args = line.split()
    out = io.StringIO()
    call_command(name, *args, stdout=out)
    return out.getvalue()


def test_the_steps_lead_to_a_model_on_the_form(settings, home):
    commands = re.findall(r"`\.venv/bin/python manage\.py ([^`]+)`", SECTION)
    listing, approving, fetching = commands
    files.write(home / re.search(r"into `(models/inbox/)`", SECTION)[1] / approving.split()[-1], files.checkpoint())
    assert f"{approving.split()[-1]}: models, " in command(listing)
    id = fetching.split()[-1]
    said = command(approving)
    assert said.startswith(f"{approving.split()[-1]}: approved, as {id}. Fetch what it needs besides: ")
    assert said.endswith(f"manage.py {fetching}\n")
    needed = {entry.id for entry in available.catalogue().with_needs(id) if entry.sources()}
    assert needed == {"sd15-configuration", "animatediff-v1-5-2", "film", "real-esrgan-plus"}
    configuration = available.catalogue().configurations["sd15-configuration"]
    for name in configuration.local_files():  # as if fetched
        (configuration.path(home) / name).parent.mkdir(parents=True, exist_ok=True)
        (configuration.path(home) / name).touch()
    assert id in {model.id for model in available.offer().models()}
    own = home / "own.toml"
    own.write_text(re.search(r"```toml\n(.*?)```", SECTION, re.DOTALL)[1])
    settings.CATALOGUE_FILE = str(own)
    model = available.catalogue().models[id]
    assert (model.label, model.steps, model.guidance) == ("Water colours", 30, 7.5)
    assert dict(model.native_sizes) == {"16:9": (896, 512), "1:1": (512, 512)}


def test_a_lora_needs_nothing_more(home):
    files.write(home / "models" / "inbox" / "ink.safetensors", files.kohya())
    command("inbox --approve ink.safetensors")
    assert available.catalogue().styles["ink"].is_available(home)
