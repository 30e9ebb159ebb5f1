"""A worker's name is used by one `serve` at a time, and is free again however that one ends."""

import io
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from auravideo.server import crew, node_names

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from auravideo.server import node_names
with node_names.held(Path(sys.argv[1]), sys.argv[2:]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path):
    """Return a function that lets another process keep names, and returns that process."""
    with ExitStack() as stack:

        def hold(*names):
            command = [sys.executable, "-c", HOLD, str(tmp_path), *names]
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout.readline() == "held\n"
            return process

        yield hold


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(node_names, "_PATIENCE_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_name_that_another_process_keeps_is_refused(tmp_path, hold):
    hold("generate@box", "cpu@box")
    with pytest.raises(node_names.NameTaken, match="already runs the worker cpu@box"):
        node_names.held(tmp_path, ["upscale@box", "cpu@box"]).__enter__()


def test_other_names_are_free(tmp_path, hold):
    hold("generate@box")
    with node_names.held(tmp_path, ["upscale@box", "generate@second"]):
        pass


def test_a_name_is_free_again_when_its_holder_was_killed(tmp_path, hold):
    process = hold("generate@box")
    process.send_signal(signal.SIGKILL)
    with node_names.held(tmp_path, ["generate@box"]):
        pass


@pytest.mark.usefixtures("impatient")
def test_a_refusal_keeps_no_name(tmp_path, hold):
    process = hold("upscale@box")
    with pytest.raises(node_names.NameTaken):
        node_names.held(tmp_path, ["cpu@box", "upscale@box"]).__enter__()
    process.kill()
    process.wait()
    for _again in range(2):
        with node_names.held(tmp_path, ["cpu@box", "upscale@box"]):
            pass


def test_a_file_that_cannot_be_opened_keeps_nobody_from_starting(tmp_path, caplog):
    """It may be root's, who ran a worker here once. Root itself, as in containers, can open all but a folder."""
    (tmp_path / "serve" / "cpu@box.lock").mkdir(parents=True)
    with node_names.held(tmp_path, ["cpu@box"]):
        pass
    assert "another `serve` runs the worker cpu@box" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_a_second_serve_says_what_to_do(settings, tmp_path, hold):
    settings.HOME = tmp_path
    hold(crew.parse("upscale")[0].node(crew.host(None)))
    with pytest.raises(CommandError, match=r"already runs the worker upscale@.*--only web.*--name second"):
        call_command("serve", only="workers", queues="cpu,upscale", stdout=io.StringIO())
