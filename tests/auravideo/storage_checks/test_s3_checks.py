"""`manage.py check_storage` on S3: it prepares a bucket, and sees whatever is wrong with a store."""

import threading

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from moto.server import ThreadedMotoServer

from auravideo.storage_checks import run, s3
from auravideo.storage_checks.findings import Finding, State
from tests.conftest import s3_storage
from tests.rigs import certificates
from tests.rigs.faulty_wire import FaultyWire
from tests.site import Site

pytestmark = pytest.mark.thorough

ONLY_DEFAULT = {"signed URL for browsers", "signed URL with a range", "signed URL expires", "changed URL is refused"}


@pytest.fixture(scope="module")
def wire(s3_server):
    wire = FaultyWire(s3_server.port).start()
    yield wire
    wire.stop()


@pytest.fixture
def use(settings, s3_server, s3_bucket):
    """Return a function that puts all storages into a bucket behind options, impatient."""

    def use(bucket: str = s3_bucket, public: dict | None = None, **options) -> None:
        options = {"attempts": 1, "read_timeout": 2, "connect_timeout": 1, **options}
        entry = s3_storage(s3_server, bucket, **options)
        entries = {"default": entry, "frames": entry, "public": s3_storage(s3_server, bucket, **(public or options))}
        settings.STORAGES = {**settings.STORAGES, **entries}

    return use


def check(alias: str) -> list[Finding]:
    return list(run.check(alias, storages[alias]))


def wrong(findings: list[Finding]) -> dict[str, State]:
    return {found.check: found.state for found in findings if found.state != State.WORKS}


def test_on_a_store_without_the_bucket_everything_works_in_the_end(use, s3_server, capsys):
    use("made-by-check")
    call_command("check_storage")
    out = capsys.readouterr().out
    assert "made-by-check, created" in out
    assert "Everything that the site needs works." in out
    assert "warning" not in out
    client = s3_server.client()
    assert client.list_objects_v2(Bucket="made-by-check")["KeyCount"] == 0, "it left something behind"
    assert "Uploads" not in client.list_multipart_uploads(Bucket="made-by-check")
    rules = client.get_bucket_lifecycle_configuration(Bucket="made-by-check")["Rules"]
    assert {rule["ID"] for rule in rules} == {"auravideo-frames", "auravideo-uploads"}


def test_each_storage_is_checked_for_what_it_is_used_for(use):
    use()
    videos, frames = ({found.check for found in check(alias)} for alias in ("default", "frames"))
    assert videos - frames >= ONLY_DEFAULT
    assert frames - videos == {"lifecycle rules"}


def test_ten_machines_may_check_at_once_before_there_is_a_bucket(use):
    use("made-by-one-of-ten")
    findings: list[Finding] = []
    threads = [threading.Thread(target=lambda: findings.extend(check("frames"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong(findings) == {}
    assert len({(found.storage, found.check) for found in findings}) == len(findings) / 10


def test_rules_of_others_are_kept_and_ours_are_set_once(use, s3_server, s3_bucket, settings):
    client = s3_server.client()
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
    client.put_bucket_lifecycle_configuration(Bucket=s3_bucket, LifecycleConfiguration={"Rules": [theirs]})
    use()

    def details() -> list[str]:
        return [found.detail for found in check("frames") if found.check == "lifecycle rules"]

    assert details() == ["frames after 14 days, broken-off uploads after 2; set now"]
    assert details() == ["frames after 14 days, broken-off uploads after 2"]
    settings.S3_FRAMES_DAYS = 30
    assert details() == ["frames after 30 days, broken-off uploads after 2; set now"]
    rules = client.get_bucket_lifecycle_configuration(Bucket=s3_bucket)["Rules"]
    days = {rule["ID"]: rule.get("Expiration", {}).get("Days") for rule in rules}
    assert days == {"theirs": 9, "auravideo-frames": 30, "auravideo-uploads": None}


@pytest.mark.parametrize(
    ("options", "check_name", "fix"),
    [
        ({"secret_key": "wrong"}, "bucket", "S3_SECRET_ACCESS_KEY"),
        ({"access_key": "nobody"}, "bucket", "S3_ACCESS_KEY_ID"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "bucket", "S3_ENDPOINT_URL"),
        ({"bucket": "B"}, "bucket", "S3_BUCKET"),
    ],
)
def test_a_wrong_setting_is_named(use, options, check_name, fix):
    use(**options)
    findings = check("default")
    assert wrong(findings) == {check_name: State.FAILED}
    assert fix in findings[-1].fix
    assert len(findings) == 1, "the rest would fail for the same reason"


def test_credentials_that_may_only_read_are_told_what_they_lack(use, s3_server):
    use(access_key=s3_server.reader_key)
    findings = {found.check: found for found in check("default")}
    assert findings["store a file"].state == State.FAILED
    assert "s3:PutObject" in findings["store a file"].fix


@pytest.mark.parametrize(
    ("fault", "check_name", "state"),
    [
        ({"kind": "unsupported", "key": "?lifecycle"}, "lifecycle rules", State.WARNING),
        ({"kind": "unsupported", "key": "?delete"}, "delete a folder", State.FAILED),
        ({"kind": "unsupported", "key": "?uploads"}, "upload in parts", State.FAILED),
        ({"kind": "corrupt", "method": "GET", "key": "0000.safetensors"}, "read it", State.FAILED),
    ],
)
def test_a_store_that_lacks_something_is_seen(use, wire, fault, check_name, state):
    use(endpoint_url=wire.endpoint)
    with wire.broken(**fault):
        assert wrong(check("frames"))[check_name] == state


def test_a_store_without_checksums_is_told_from_a_broken_one(use, wire):
    use(endpoint_url=wire.endpoint)
    with wire.broken("unsupported", method="PUT", header="x-amz-checksum-crc32"):
        (found,) = [found for found in check("frames") if found.check == "store a file"]
        assert (found.state, "S3_CHECKSUMS=when_required" in found.fix) == (State.FAILED, True)
        use(endpoint_url=wire.endpoint, checksums="when_required")
        assert wrong(check("frames")) == {}


def test_a_store_that_hangs_ends_the_check_soon(use, wire):
    use(endpoint_url=wire.endpoint)
    with wire.broken("hang", method="PUT"):
        findings = check("default")
    assert findings[-1].check == "store a file"
    assert wrong(findings) == {"store a file": State.FAILED}


def test_a_public_address_that_changes_the_host_is_told_from_one_out_of_reach(use, s3_server):
    use(public={"endpoint_url": "http://127.0.0.1:9"})
    (found,) = [found for found in check("default") if found.state != State.WORKS]
    assert (found.check, found.state) == ("signed URL for browsers", State.WARNING)
    assert "S3_PUBLIC_ENDPOINT_URL" in found.fix
    use(public={"endpoint_url": s3_server.endpoint, "secret_key": "as if the Host had changed"})
    (found,) = [found for found in check("default") if found.state != State.WORKS]
    assert (found.check, found.state) == ("signed URL for browsers", State.FAILED)
    assert "Host" in found.fix


def test_a_store_with_an_authority_of_its_own_works_once_that_is_set(use, s3_server, tmp_path):
    authority, context = certificates.make(tmp_path)
    wire = FaultyWire(s3_server.port, tls=context).start()
    use(endpoint_url=wire.endpoint)
    (found,) = check("default")
    assert (found.check, "S3_CA_BUNDLE" in found.fix) == ("bucket", True)
    use(endpoint_url=wire.endpoint, verify=str(authority))
    assert wrong(check("default")) == {}
    wire.stop()


def test_a_store_that_lets_strangers_in_is_seen(use):
    """moto checks no signature."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        use(endpoint_url="http://{}:{}".format(*server.get_host_and_port()))
        states = wrong(check("default"))
    finally:
        server.stop()
    assert states["changed URL is refused"] == states["no access without a URL"] == State.FAILED


def test_the_command_fails_if_a_check_does_and_says_how_to_fix_it(use, capsys):
    use(secret_key="wrong")
    with pytest.raises(CommandError, match="2 of 2 checks failed"):
        call_command("check_storage")
    assert "Check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY" in capsys.readouterr().out


@pytest.mark.parametrize(("secret", "code"), [("", 0), ("wrong", 1)])
def test_the_exit_code_is_what_a_start_script_needs(s3_server, s3_bucket, tmp_path, secret, code):
    """As compose.yaml calls it: the settings come from the environment, and there is no database yet."""
    site = Site(tmp_path, **{**s3_server.environment(s3_bucket), "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"})
    site.environment["S3_SECRET_ACCESS_KEY"] = secret or s3_server.secret_key
    done = site.manage("check_storage")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_the_command_can_wait_for_a_store_that_is_starting(use, wire, capsys, monkeypatch):
    use(endpoint_url=wire.endpoint)
    wire.stop()
    threading.Timer(1, wire.start).start()
    call_command("check_storage", "--wait", "30")
    assert "Everything that the site needs works." in capsys.readouterr().out


def test_the_checks_use_the_options_of_the_site(use):
    use(checksums="when_required", addressing_style="path")
    storage = storages["default"]
    copy = s3.same_store(storage, attempts=7)
    assert (copy.checksums, copy.secret_key, copy.bucket_name) == (
        "when_required",
        storage.secret_key,
        storage.bucket_name,
    )
    assert copy.client.meta.config.retries["total_max_attempts"] == 7
