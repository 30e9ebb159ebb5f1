"""There is one version, and workers and site say the same one, also where pyproject.toml is not (as in the images)."""

import tomllib

from auravideo.version import VERSION
from workers.membership import Membership


def test_it_is_that_of_the_project(settings):
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_a_worker_says_it_without_the_projects_file(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    me = Membership(name="cpu@box", serves=("cpu",), reads=("cpu",), memory=1)
    assert me.facts()["version"] == VERSION
