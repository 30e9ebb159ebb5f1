"""`manage.py batch` against a running site: every row becomes a file with exactly the requested content."""

import json
import re

import pytest

from workers import media

pytestmark = [pytest.mark.e2e, pytest.mark.renders]

ROWS = """prompt,size,seconds,fps,format,seed
a red circle on white,128x128,1,8,mp4,1
"a yellow cross, spinning",128x128,1,16,webm,2
a cyan square at sunset,192x128,1,8,gif,3
"""


@pytest.fixture(scope="module")
def somebody(site):
    return site.make_user("batcher")


def test_a_file_of_prompts_becomes_a_folder_of_videos_and_a_manifest(site, somebody, tmp_path):
    prompts, output = tmp_path / "prompts.csv", tmp_path / "out"
    prompts.write_text(ROWS)
    done = site.manage("batch", str(prompts), "--user", somebody, "--wait", "--output", str(output))
    assert done.returncode == 0, done.stderr
    files = sorted(path for path in output.iterdir() if path.name != "manifest.jsonl")
    assert [re.match(r"\d{4}-[a-z-]+\.(\w+)$", path.name)[1] for path in files] == ["mp4", "webm", "gif"]
    found = [media.probe(path) for path in files]
    assert [(probe.width, probe.height, probe.frames) for probe in found] == [
        (128, 128, 8),
        (128, 128, 16),
        (192, 128, 8),
    ]
    rows = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["done"] * 3
    assert media.read_settings(files[0])["request"]["seed"] == 1


def test_running_it_again_renders_nothing_twice(site, somebody, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a small white-lit red star on black\n")
    count = "from generation.models import Job; print(Job.objects.count())"
    options = ("--user", somebody, "--wait", "--output", str(tmp_path / "out"))
    assert site.manage("batch", str(prompts), *options).returncode == 0
    before = site.python(count)
    assert site.manage("batch", str(prompts), *options).returncode == 0
    assert site.python(count) == before


def test_a_bad_row_is_named_by_its_line_and_nothing_is_queued(site, somebody, tmp_path):
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("prompt,fps\na red star,24\na blue star,7\n")
    count = "from generation.models import Job; print(Job.objects.count())"
    before = site.python(count)
    done = site.manage("batch", str(prompts), "--user", somebody)
    assert done.returncode != 0
    assert re.search(r"line 3.*fps", done.stdout + done.stderr)
    assert site.python(count) == before
