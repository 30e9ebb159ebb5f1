"""`manage.py benchmark`: its options, and a run with the smallest clip."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from auravideo.benchmark import machine, plot, rounds, table
from auravideo.benchmark.cases import Way, Without, make
from auravideo.benchmark.results import Result, Round, StageTime, ratios
from generation.catalogue.load import load_catalogue

SMALLEST = ["--sizes", "128", "--seconds", "1", "--fps", "16", "--steps", "1", "--repeats", "1", "--no-cold"]
TIMEOUT = 600


@pytest.fixture
def results():
    """Return results as if measured: the pipeline in 2 and 4 s, direct in 20 and 60 s, and one failure."""
    one, two = make(load_catalogue(), models=["tiny"], seconds=[2, 6], fps=[8], sizes=["256x256"], without=Without.SIZE)

    def times(*seconds):
        generate = [StageTime(of, of, 2 * of, 2**30) for of in seconds]
        return [Round({"generate": of, "assemble": StageTime(of.seconds, 0.0, of.seconds, 2**29)}) for of in generate]

    return [
        Result(one, Way.PIPELINE, times(1.5)[0], True, times(1, 2)),
        Result(one, Way.DIRECT, times(9)[0], False, times(10, 30)),
        Result(two, Way.PIPELINE, error="memory ran out"),
    ]


def refusal(*arguments):
    with pytest.raises(CommandError) as caught:
        call_command("benchmark", *arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--seconds", "0"], "--seconds"),
        (["--seconds", "sixty"], "--seconds"),
        (["--fps", "24.5"], "--fps"),
        (["--steps", "-1"], "--steps"),
        (["--repeats", "101"], "--repeats"),
        (["--direct", "everything"], "--direct"),
        (["--sizes", "9" * 1000], "--sizes"),
        (["--models", "stable-diffusion-v1-5"], "fetch_models stable-diffusion-v1-5"),
        (["--json", "/nowhere/figures.json"], "--json: /nowhere/figures.json cannot be written"),
        (["--plot", "/nowhere/figures.png"], "--plot"),
        (["--plot", "figures.jpeg"], "--plot: figures.jpeg must end in one of .png"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_started(arguments, option, monkeypatch):
    monkeypatch.setattr(rounds, "Crew", None)
    assert option in refusal(*arguments)


def test_ratios_are_of_neighbouring_rounds(results):
    (ratio,) = ratios(results)
    assert ratio.rounds == (10, 15)
    assert (ratio.spread.median, ratio.spread.min, ratio.spread.max) == (12.5, 10, 15)


def test_a_round_whose_other_half_is_missing_gives_no_ratio(results):
    results[1].rounds.pop()
    assert ratios(results)[0].rounds == (10,)


def test_the_table_shows_times_memory_failures_and_ratios(results):
    text = "\n".join(table.lines(results, ratios(results)))
    assert "3.00 (2.00-4.00)" in text
    assert "50.0%" in text
    assert "1.00 GiB" in text
    assert "tiny 256x256 6 s 8 fps, pipeline: memory ran out" in text
    assert "direct takes 12.5 times (10.0-15.0) as long" in text


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_the_plot_is_drawn_even_of_nothing(results, tmp_path, suffix, magic):
    for measured in (results, []):
        plot.draw(measured, tmp_path / f"plot{suffix}")
        assert (tmp_path / f"plot{suffix}").read_bytes().startswith(magic)


def test_a_busy_machine_and_busy_workers_are_reported():
    busy = {"busy_workers": ["generate@here"], "load": 1.5, "cores": 2}
    assert [text.split(":")[0] for text in machine.warnings(busy)] == [
        "Workers of this site are rendering",
        "The machine is busy",
    ]
    assert machine.warnings({"busy_workers": [], "load": 0.2, "cores": 2}) == []


def test_asking_for_busy_workers_makes_no_database(monkeypatch, tmp_path):
    name = tmp_path / "db.sqlite3"
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(name)}
    monkeypatch.setattr(machine, "settings", SimpleNamespace(DATABASES={"default": database}))
    assert machine.busy_workers() == []
    assert not name.exists()


@pytest.mark.thorough
@pytest.mark.django_db
def test_the_smallest_clip_is_measured_stage_by_stage_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    figures, picture, out = tmp_path / "figures.json", tmp_path / "plot.png", StringIO()
    call_command("benchmark", *SMALLEST, "--json", str(figures), "--plot", str(picture), stdout=out, stderr=StringIO())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "plot.png"]
    assert "tiny 128x128 1 s 16 fps  pipeline" in out.getvalue()
    measured = json.loads(figures.read_text())
    assert (measured["version"], measured["complete"], measured["ratios"]) == (1, True, [])
    assert {"processor", "cores", "card", "versions", "load"} <= set(measured["machine"])
    (result,) = measured["results"]
    assert (result["base"], result["error"]) == ({"width": 64, "height": 64, "frames": 9}, "")
    (warm,) = result["rounds"]
    assert list(warm["stages"]) == ["preprocess", "generate", "interpolate", "upscale", "assemble"]
    for name, stage in warm["stages"].items():
        assert 0 <= stage["model"] <= stage["seconds"], name
        assert stage["rss"] > 10 * 2**20, name
    assert all(warm["stages"][name]["model"] > 0 for name in ("generate", "interpolate", "upscale"))
    assert list(result["first"]["loading"]) == ["generate", "interpolate", "upscale"]
    assert warm["loading"] == {}


@pytest.mark.thorough
def test_ctrl_c_prints_what_was_measured_and_leaves_nothing(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, "manage.py", "benchmark", *SMALLEST[:-3], "--repeats", "100", "--json", str(figures)]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    while not list(scratch.glob("*/home/generate.log")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "CLIP" in out
    assert json.loads(figures.read_text())["complete"] is False
    assert list(scratch.iterdir()) == []
