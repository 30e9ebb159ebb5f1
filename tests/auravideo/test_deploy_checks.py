"""Django's own checks for production find nothing with the settings that the guides recommend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("address", "is_clean"), [("https://video.example.org", True), ("http://192.168.1.20", False)])
def test_a_site_with_https_is_clean_and_one_without_is_not(tmp_path, address, is_clean):
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**clean, "AURAVIDEO_HOME": str(tmp_path / "home"), "SITE_URL": address, "TRUSTED_PROXIES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is is_clean, done.stderr
    assert ("security.W012" in done.stderr) is not is_clean  # cookies that are sent without TLS
