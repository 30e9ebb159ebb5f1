"""One command makes what compose.yaml needs, and never overwrites anything."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path, check: bool = True) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-S", ROOT / "deploy" / "make_secrets.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}


@pytest.fixture
def made(tmp_path):
    make(tmp_path)
    return tmp_path


def test_each_secret_is_random_and_long(made, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    make(other)
    ours, theirs = contents(made), contents(other)
    alike = {name for name in ours if ours[name] == theirs[name]}
    assert alike == {"email_url"}
    for name in set(ours) - {"email_url", "s3_access_key_id"}:
        assert len(ours[name]) > 64, name


def test_a_file_has_one_line_except_the_accounts(made):
    several = {name for name, content in contents(made).items() if len(content.splitlines()) != 1}
    assert several == {"store_accounts"}


def test_the_store_knows_the_keys_of_the_site_and_nobody_else(made):
    secrets = contents(made)
    (identity,) = json.loads(secrets["store_accounts"])["identities"]
    (credentials,) = identity["credentials"]
    assert credentials["accessKey"] == secrets["s3_access_key_id"].strip()
    assert credentials["secretKey"] == secrets["s3_secret_access_key"].strip()
    assert all(action.endswith(":auravideo") for action in identity["actions"])


def test_others_cannot_enter_the_folder_and_containers_can_read_the_files(made):
    assert stat.S_IMODE((made / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made / "secrets").iterdir()} == {0o444}


def test_the_settings_are_the_example(made):
    assert (made / ".env").read_text() == (ROOT / ".env.example").read_text()


def test_what_is_there_stays(made):
    (made / ".env").write_text("SITE_HOST=video.example.org\n")
    mail = made / "secrets" / "email_url"
    mail.unlink()
    mail.write_text("smtp+tls://user:password@host:587\n")
    before = contents(made)
    again = make(made)
    assert contents(made) == before
    assert (made / ".env").read_text() == "SITE_HOST=video.example.org\n"
    assert again.stdout == "Nothing to do: every secret is there already.\n"


def test_a_key_of_your_own_reaches_the_store(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "s3_access_key_id").write_text("mine\n")
    make(tmp_path)
    accounts = json.loads(contents(tmp_path)["store_accounts"])
    assert accounts["identities"][0]["credentials"][0]["accessKey"] == "mine"


def test_no_secret_is_printed(tmp_path):
    done = make(tmp_path)
    assert "Created secrets/secret_key" in done.stdout
    for name, content in contents(tmp_path).items():
        assert name == "email_url" or content.strip() not in done.stdout + done.stderr


def test_an_empty_file_is_refused_by_name(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "s3_access_key_id").touch()
    done = make(tmp_path, check=False)
    assert done.returncode == 1
    assert "s3_access_key_id is empty" in done.stderr


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "secrets").write_text("a file\n")
    done = make(tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "secrets" in done.stderr
