"""The systemd units: valid, hardened, and starting what they say with the settings of one file."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from auravideo import environment as env
from auravideo.management.commands.serve import Command

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
MAX_EXPOSURE = 3.0  # `systemd-analyze security`: up to 4.9 is medium, below that OK

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@pytest.fixture
def installed(tmp_path):
    """Return a folder with the units, as if AuraVideo were installed where it is; and an instance of the worker."""
    for path in UNITS.glob("auravideo*"):
        text = path.read_text().replace("/opt/auravideo/.venv/bin/python", sys.executable)
        (tmp_path / path.name).write_text(text.replace("/opt/auravideo", str(ROOT)))
    return tmp_path


@needs_systemd
def test_the_units_are_valid(installed):
    names = [name.replace("@.", "@generate.") for name in SERVICES]
    shutil.copy(installed / "auravideo-worker@.service", installed / "auravideo-worker@generate.service")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(installed / name) for name in [*names, "auravideo.target"])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "auravideo" in line]
    assert (done.returncode, ours) == (0, [])


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_the_units_are_hardened(installed, name):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(installed / name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert float(re.search(r"exposure level for .*: ([\d.]+)", done.stdout)[1]) <= MAX_EXPOSURE, done.stdout


@needs_systemd
def test_a_mistake_in_a_unit_would_be_found(installed):
    (installed / "auravideo-web.service").write_text("[Service]\nExecStart=/no/such/program\nProtectSystm=strict\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installed / "auravideo-web.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "ProtectSystm" in done.stderr


def options_of(name: str, instance: str) -> dict[str, object]:
    """Return the options with which a unit calls `serve`."""
    line = re.search(r"^ExecStart=(.*)$", (UNITS / name).read_text(), re.MULTILINE)[1]
    python, script, command, *arguments = shlex.split(line.replace("%i", instance))
    assert (Path(python).name, script, command) == ("python", "manage.py", "serve")
    return vars(Command().create_parser("manage.py", "serve").parse_args(arguments))


@pytest.mark.parametrize(
    ("name", "instance", "only", "queues"),
    [
        ("auravideo-web.service", "", "web", None),
        ("auravideo-scheduler.service", "", "scheduler", None),
        ("auravideo-worker@.service", "generate:0", "workers", "generate:0"),
    ],
)
def test_a_unit_starts_its_part(name, instance, only, queues):
    found = options_of(name, instance)
    assert (found["only"], found["queues"]) == (only, queues)


def test_there_is_a_unit_for_each_part():
    assert SERVICES == ["auravideo-scheduler.service", "auravideo-web.service", "auravideo-worker@.service"]


def test_the_settings_file_can_be_read_and_names_settings_that_exist(monkeypatch, tmp_path):
    complete = tmp_path / "auravideo.env"  # with what is commented out
    complete.write_text(re.sub(r"^# (?=[A-Z0-9_]+=)", "", (UNITS / "auravideo.env").read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(os, "environ", {"AURAVIDEO_ENV_FILE": str(complete)})
    env.load_file(ROOT)
    names = set(os.environ) - {"AURAVIDEO_ENV_FILE"}
    assert {"AURAVIDEO_HOME", "SECRET_KEY_FILE", "EMAIL_PASSWORD_FILE", "DEFAULT_FROM_EMAIL"} < names
    guide = (ROOT / "docs" / "operating.md").read_text()
    assert [name for name in names if f"`{name}`" not in guide] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_unit_reads_the_settings_file(name):
    assert "AURAVIDEO_ENV_FILE=/etc/auravideo/auravideo.env" in (UNITS / name).read_text()
