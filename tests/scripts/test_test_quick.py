"""`make test-quick` runs the tests that a change affects, nearest first. Tried on a small project."""

import os
import subprocess
import sys

import grimp
import pytest

from scripts import test_quick

FILES = {
    "shop/__init__.py": "",
    "shop/core/__init__.py": "",
    "shop/core/money.py": "",
    "shop/core/dates.py": "",
    "shop/cart.py": "from shop.core import money\nTEMPLATE = 'shop/cart.html'\n",
    "templates/shop/cart.html": "",
    "tests/shop/core/test_money.py": "",
    "tests/shop/core/test_dates.py": "from shop.core import dates\n",
    "tests/shop/test_cart.py": "from shop import cart\n",
    "tests/shop/test_prices.py": "from shop.core import money\n",
    "tests/e2e/test_journey.py": "from shop.core import money\n",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    monkeypatch.setattr(test_quick, "PACKAGES", ("shop", "tests"))
    return tmp_path


def git(root, *arguments):
    subprocess.run(["git", *arguments], cwd=root, check=True)


def commit(root):
    git(root, "add", "--all")
    git(root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "a")


def selected(project, *changed):
    graph = grimp.ImportGraph()
    for path, text in FILES.items():
        if path.endswith(".py"):
            name = test_quick._module(path)
            graph.add_module(name)
            if text.startswith("from "):
                package, name_imported = text.split("\n")[0].removeprefix("from ").split(" import ")
                graph.add_import(importer=name, imported=f"{package}.{name_imported}")
    return test_quick.select(changed, graph, project)


def test_the_namesake_comes_before_importers_and_those_before_neighbours_and_the_rest(project):
    assert selected(project, "shop/core/money.py") == [
        "tests/shop/core/test_money.py",
        "tests/shop/test_prices.py",
        "tests/shop/core/test_dates.py",
        "tests/shop/test_cart.py",
    ]


def test_a_test_that_changed_comes_first(project):
    assert selected(project, "shop/core/money.py", "tests/shop/test_cart.py")[0] == "tests/shop/test_cart.py"


def test_a_template_stands_for_the_modules_that_name_it(project):
    assert "tests/shop/test_cart.py" in selected(project, "templates/shop/cart.html")
    assert selected(project, "templates/shop/other.html") == []


def test_a_conftest_touches_every_test_below_it(project):
    assert selected(project, "tests/shop/core/conftest.py") == [
        "tests/shop/core/test_dates.py",
        "tests/shop/core/test_money.py",
    ]


def test_a_module_that_was_deleted_still_selects_its_tests(project):
    (project / "shop/core/dates.py").unlink()
    assert "tests/shop/core/test_dates.py" in selected(project, "shop/core/dates.py")


def test_committed_uncommitted_and_new_files_of_a_branch_are_its_changes(project):
    git(project, "checkout", "--quiet", "-b", "branch")
    (project / "shop/core/dates.py").write_text("A = 1\n")
    commit(project)
    (project / "shop/cart.py").write_text("B = 1\n")
    (project / "shop/new.py").write_text("")
    assert test_quick.changed_files(project) == ["shop/cart.py", "shop/core/dates.py", "shop/new.py"]
    assert test_quick.changed_files(project, "HEAD") == ["shop/cart.py", "shop/new.py"]


def test_tests_not_started_in_time_are_skipped_and_named(tmp_path):
    """Run in its own process, since pytest cannot run inside itself here. The first test uses up the time."""
    first = "import builtins\ndef test_one(): builtins.plugin.end = 0\ndef test_two(): assert False\n"
    (tmp_path / "test_first.py").write_text(first)
    (tmp_path / "test_second.py").write_text("def test_three(): assert False\n")
    script = f"""
import builtins, sys, pytest
sys.path.insert(0, {str(test_quick.ROOT)!r})
from scripts.test_quick import NearestFirst
files = ["test_first.py", "test_second.py"]
builtins.plugin = NearestFirst(files, 3600)
sys.exit(pytest.main(["-q", "-p", "no:django", "-p", "no:cacheprovider", *files], plugins=[builtins.plugin]))
"""
    ours = ("SLIPCOVER_", "PYTEST_")  # of the run around this one, whose coverage looks for folders that are not here
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Out of time: 2 tests were left out, in test_first.py, test_second.py." in done.stdout
    assert "1 passed" in done.stdout
