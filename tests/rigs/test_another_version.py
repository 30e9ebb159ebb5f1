"""The copy runs as another version, from its own files."""

import filecmp
import subprocess
import sys

from auravideo.version import VERSION
from tests.rigs import another_version
from tests.site import ROOT

ASK = "import auravideo.version, workers; print(auravideo.version.VERSION, workers.__path__[0])"


def test_it_is_this_code_as_another_version(tmp_path):
    folder = another_version.copy(tmp_path / "other", f"{VERSION}.1")
    done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{VERSION}.1", str(folder / "workers")]
    compared = filecmp.dircmp(ROOT / "auravideo", folder / "auravideo", ignore=["__pycache__"])
    assert compared.diff_files == ["version.py"]
    assert not compared.left_only
    assert (folder / another_version.CHANGED).read_text() != (ROOT / another_version.CHANGED).read_text()
