"""FILM's network lives in a process that holds no secret and can reach none."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest

from generation.domain.errors import RenderError
from tests.workers.engines.film.blenders import nothing, save_blender
from tests.workers.engines.film.test_saved_model import save, writes
from workers.engines.apart.own_folder import OwnFolder
from workers.engines.apart.remote_model import ROOT, ModelProcessError, RemoteModel, environment
from workers.engines.film import FilmEngine

pytestmark = pytest.mark.tensorflow

_TRIAL = """
import sys
from pathlib import Path
from workers.engines.apart.confinement import confine
sys.exit(not confine([Path("/usr")], []))
"""
HAS_LANDLOCK = subprocess.run([sys.executable, "-c", _TRIAL], cwd=ROOT, check=False).returncode == 0

ATTEMPTS = """
import os, socket, sys
from pathlib import Path
from workers.engines.apart.model_host import restrict
assert restrict(Path(sys.argv[1]))
def reached(act):
    try:
        act()
    except OSError:
        return False
    return True
print({
    "model": reached(lambda: open(sys.argv[1] + "/saved_model.pb").close()),
    "library": reached(lambda: open(os.environ["PYTHONPATH"].split(":")[-1] + "/library.py").close()),
    "own folder": reached(lambda: open(os.environ["TMPDIR"] + "/file", "w").close()),
    "secret": reached(lambda: open(sys.argv[2]).close()),
    "beside": reached(lambda: open(sys.argv[2] + "-new", "w").close()),
    "in the model": reached(lambda: open(sys.argv[1] + "/new", "w").close()),
    "code": reached(lambda: open("manage.py").close()),
    "environment of the worker": reached(lambda: open(f"/proc/{os.getppid()}/environ").close()),
    "memory of the worker": reached(lambda: open(f"/proc/{os.getppid()}/mem").close()),
    "network": reached(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])))),
}, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not HAS_LANDLOCK, reason="this kernel has no Landlock")
def test_the_process_reaches_its_model_and_nothing_of_the_site(tmp_path, monkeypatch):
    import ast
    import socket

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "library.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "libraries")])  # as pip's --user or a PYTHONPATH would
    (tmp_path / "secret").write_text("key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [sys.executable, "-c", ATTEMPTS, tmp_path / "model", tmp_path / "secret", str(server.getsockname()[1])],
            cwd=ROOT, env=environment(str(tmp_path / "own")), capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = ast.literal_eval(done.stdout)
    assert {name for name, reached in found.items() if reached} == {"model", "library", "own folder"}


def test_its_environment_holds_no_secret(monkeypatch, tmp_path):
    secrets = {"AURAVIDEO_SECRET_KEY": "k", "DATABASE_URL": "d", "S3_SECRET_ACCESS_KEY": "s", "HF_TOKEN": "h"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = environment(str(tmp_path))
    assert not secrets.keys() & found.keys()
    assert (found["CUDA_VISIBLE_DEVICES"], found["HOME"]) == ("1", str(tmp_path))


def test_the_frames_are_the_same_apart_and_tensorflow_is_not_loaded_here(timed_model, frames, tmp_path):
    here = FilmEngine(timed_model, device="cpu").interpolate(frames, 3, nothing)
    np.save(tmp_path / "frames.npy", frames)
    program = (
        "import sys, numpy as np; from workers.engines.film import FilmEngine\n"
        "engine = FilmEngine(sys.argv[1], device='cpu', is_apart=True)\n"
        "clip = engine.interpolate(np.load(sys.argv[2]), 3, lambda *step: None)\n"
        "assert engine.honours_time and engine.memory_bytes and 'tensorflow' not in sys.modules\n"
        "np.save(sys.argv[3], clip); engine.release()"
    )
    command = [sys.executable, "-c", program, timed_model, tmp_path / "frames.npy", tmp_path / "clip.npy"]
    subprocess.run(command, cwd=ROOT, check=True)
    assert np.array_equal(np.load(tmp_path / "clip.npy"), here)


def test_a_hostile_model_is_refused_there_as_well(tmp_path):
    engine = FilmEngine(save(tmp_path / "model", writes(tmp_path / "target")), device="cpu", is_apart=True)
    with pytest.raises(RenderError) as caught:
        engine.load()
    assert caught.value.id == "model-unsafe"
    assert not (tmp_path / "target").exists()


def test_a_damaged_model_and_one_that_answers_something_else_are_corrupt(tmp_path):
    for folder in (tmp_path / "other", tmp_path / "damaged"):
        save_blender(folder, honours_time=True, answer="picture" if folder.name == "other" else "image")
    (tmp_path / "damaged" / "variables" / "variables.index").write_bytes(b"")
    for name in ("other", "damaged"):
        with pytest.raises(RenderError) as caught:
            FilmEngine(tmp_path / name, device="cpu", is_apart=True).load()
        assert caught.value.id == "model-corrupt"


def test_without_tensorflow_the_model_is_not_called_damaged(tmp_path, monkeypatch):
    for folder in ("model", "libraries"):
        (tmp_path / folder).mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    (tmp_path / "libraries" / "tensorflow.py").write_text("raise ImportError('libcudart.so.12 is not there')")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "libraries"), *sys.path])
    with pytest.raises(ImportError, match="libcudart"):
        FilmEngine(tmp_path / "model", device="cpu", is_apart=True).load()


def test_the_folder_of_a_killed_worker_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept, left = OwnFolder(), tmp_path / "auravideo-model-left"
    (left / "cache").mkdir(parents=True)
    for folder in (left, kept.path):
        os.utime(folder, (1, 1))
    other = OwnFolder()
    assert not left.exists() and os.path.isdir(kept.path)
    for folder in (kept, other):
        folder.remove()
    assert not list(tmp_path.iterdir())


def test_the_end_of_the_process_is_told_and_it_leaves_nothing(timed_model):
    codes = []
    model = RemoteModel(timed_model, "cpu", codes.append)
    x = np.zeros((1, 64, 64, 3), np.float32)
    assert model(x, x, [0.5]).shape == x.shape
    model._process.kill()
    with pytest.raises(ModelProcessError):
        model(x, x, [0.5])
    assert codes == [-9]
    model.close()
    assert not os.path.exists(model._folder.path)


@pytest.mark.parametrize("stands_still", [False, True])
def test_it_does_not_outlive_the_worker(timed_model, stands_still):
    program = (
        "import os, sys; from pathlib import Path; from workers.engines.apart.remote_model import RemoteModel\n"
        "model = RemoteModel(Path(sys.argv[1]), 'cpu'); print(model._process.pid, flush=True)\n"
        f"os.kill(model._process.pid, {signal.SIGSTOP if stands_still else 0:d}); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, timed_model], cwd=ROOT, capture_output=True, text=True, check=False
    )
    deadline = time.monotonic() + 60
    while _is_running(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(int(done.stdout))


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_confining_needs_no_right_path(tmp_path):
    program = (
        "from pathlib import Path; from workers.engines.apart.confinement import confine; import sys\n"
        "confine([Path('/no/such/path')], [])"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
