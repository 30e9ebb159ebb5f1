"""A machine that cannot run the engine is told why before anything is made."""

import os

import pytest

from tests.rigs.containers import folders, requirements
from tests.rigs.containers.engine import Engine


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTAINERS_FOLDER", str(tmp_path / "containers"))
    return tmp_path / "containers"


def test_too_little_disk_is_said_with_figures_and_the_way_out(folder):
    with pytest.raises(requirements.CannotRun) as refused:
        requirements.check_disk(folder, 1e6)
    assert str(folder) in str(refused.value)
    assert "needs 1e+06 GB" in str(refused.value)
    assert "CONTAINERS_FOLDER" in str(refused.value)


def test_enough_disk_is_fine(folder):
    requirements.check_disk(folder, 0.001)


@pytest.mark.skipif(os.geteuid() != 0, reason="this is what other users get")
def test_missing_tools_are_named_with_the_script_that_installs_them(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(requirements.CannotRun, match=r"mmdebstrap.*scripts/need_container_tools"):
        requirements.check(folders.base(), 0.001)


def test_a_refused_engine_makes_nothing(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(requirements.CannotRun, match="root"), Engine():
        pass
    assert not folder.exists()
